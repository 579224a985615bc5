"""The feature vector of one patient on one day: every feature of the schema, present or absent by name.

A feature without a row in ``_READERS`` is the latest measurement of its own name.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache

from fhir_adapters.canonical import CanonicalPatient, Feature, FeatureVector
from fhir_adapters.gene.genomics import key_of
from fhir_adapters.problem import family_history
from fhir_adapters.vector import derived, gene_features, history, pregnancy, scale_features
from fhir_adapters.vector.indexed import Indexed, index
from fhir_adapters.vector.latest import latest_measurement, latest_score, missing
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION, FeatureSpec

Reader = Callable[[FeatureSpec, Indexed], Feature]

_SMOKING = frozenset(
    {"never_smoker", "ex_smoker", "non_smoker", "current_smoker", "smoker_daily", "smoker_some_days"}
    | {"heavy_smoker", "light_smoker"}
)
_TOBACCO = "tobacco_smoking_status"
_GENES = ("cyp2d6", "cyp2c19", "cyp2b6", "cyp2c9")


def _score(*keys: str) -> Reader:
    """Return the reader of the latest score among ``<scale>.<part>``."""
    return lambda spec, facts: latest_score(spec, facts, keys)


# Feature → the ``<scale>.<part>`` of which it is the latest score.
_SCORES: Mapping[str, tuple[str, ...]] = {
    "phq9_total": ("phq9.total",),
    "gad7_total": ("gad7.total",),
    "audit_c_total": ("audit_c.total",),
    "phq2_total": ("phq2.total",),
    "mdq_total": ("mdq.total",),
    "epds_total": ("epds.total",),
    "epds_item10": ("epds.item10_self_harm",),
    "isi_total": ("isi.total",),
    "pcl5_total": ("pcl5.total",),
    "ymrs_total": ("ymrs.total",),
    "madrs_total": ("madrs.total",),
    "hamd17_total": ("hamd17.total",),
    "qids_total": ("qids_sr16.total", "qids_c16.total"),
}
_READERS: Mapping[str, Reader] = {
    "age": derived.age,
    "sex": derived.sex,
    "systolic_bp": derived.blood_pressure,
    "diastolic_bp": derived.blood_pressure,
    "bmi": derived.bmi,
    "crcl": derived.crcl,
    "pregnancy_status": pregnancy.pregnancy,
    "breastfeeding_status": pregnancy.breastfeeding,
    "steps_per_day": derived.daily_mean,
    "sleep_hours": derived.daily_mean,
    "resting_heart_rate": derived.daily_mean,
    "smoking_status": lambda spec, facts: latest_measurement(spec, facts, _TOBACCO, _SMOKING),
    **{name: _score(*keys) for name, keys in _SCORES.items()},
    "phq9_item9": scale_features.phq9_item9,
    "phq9_previous": derived.phq9_previous,
    "phq9_change": derived.phq9_change,
    "cssrs_ideation": scale_features.cssrs_ideation,
    "cssrs_behaviour": scale_features.cssrs_behaviour,
    "depression": history.flag,
    "anxiety_disorder": history.flag,
    "ptsd": history.flag,
    "substance_use": history.flag,
    "chronic_depression": history.chronic_depression,
    "antidepressant_trials": history.trials,
    "antidepressant_days": history.days_on_antidepressant,
    "medication_count": history.medication_count,
    "family_bipolar": family_history.flag,
    "family_depression": family_history.flag,
    "family_suicide": family_history.flag,
    **{f"{gene}_diplotype": gene_features.diplotype for gene in _GENES},
    **{f"{gene}_phenotype": gene_features.phenotype for gene in _GENES},
    "hla_b_1502": gene_features.hla,
    "hla_a_3101": gene_features.hla,
}

# Feature → the keys of the facts that it is read from, where it is missing without any of them. The others look
# at lists too, or at other features.
_KEYS: Mapping[str, tuple[str, ...]] = {
    **{spec.name: (spec.name,) for spec in FEATURES if spec.name not in _READERS},
    **_SCORES,
    "smoking_status": (_TOBACCO,),
    **{f"{gene}_diplotype": (gene,) for gene in _GENES},
    **{f"{gene}_phenotype": (gene,) for gene in _GENES},
    "hla_b_1502": ("hla_b",),
    "hla_a_3101": ("hla_a",),
}
# Every feature with its reader and its keys, in the order of the schema.
_PLAN = tuple((spec.name, spec, _READERS.get(spec.name, latest_measurement), _KEYS.get(spec.name)) for spec in FEATURES)


def vector(patient: CanonicalPatient, as_of: date) -> FeatureVector:
    """Return every feature of the schema, in its order, as known on ``as_of``."""
    facts = index(patient, as_of)
    known, told, absent = facts.known, _told(facts), _unrecorded(facts.unrecorded)
    for name, spec, read, keys in _PLAN:
        known[name] = absent[name] if keys and told.isdisjoint(keys) else read(spec, facts)
    return FeatureVector(patient.reference, as_of, SCHEMA_VERSION, known)


def _told(facts: Indexed) -> set[str]:
    """Return the keys of all facts and refusals."""
    genes = {key_of(one.gene) for one in facts.patient.genotypes}
    return {*facts.measurements, *facts.scores, *facts.refusals, *genes}


@cache
def _unrecorded(reason: str) -> Mapping[str, Feature]:
    """Return the absences that most features have: the same for every patient."""
    return {spec.name: missing(spec, reason) for spec in FEATURES}
