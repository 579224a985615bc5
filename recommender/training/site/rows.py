"""A site's rows: what the bedside would have seen on the day of each first prescription, and what came of it."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart, canonical
from fhir_adapters.canonical import Adapted, CanonicalPatient
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading import wire
from fhir_adapters.reading.population import Item
from fhir_adapters.reading.reader import Chart
from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender.catalog.knowledge import Knowledge
from recommender.cohort.evidence import DRUG_FEATURES, OUTCOMES, PATIENT_FEATURES, Array
from recommender.gate.gate_readings import in_force
from recommender.ranker import model as models
from recommender.ranker.model import Model
from recommender.step import focus
from recommender.training.site import windows
from recommender.training.site.as_known import as_known
from recommender.training.site.episodes import Episode, episode

Integers = NDArray[np.intp]
Labels = NDArray[np.str_]

CONSENT = "consent-withheld"
NO_DEPRESSION = "depression-not-on-the-problem-list"
UNSUPPORTED = "outside-what-the-model-covers"
UNREAD = "record-not-readable"
_AGE_BANDS = ((18, "18-39"), (40, "40-64"), (65, "65+"))


@dataclass(frozen=True, slots=True)
class SiteRows:
    """``n`` patients, ``d`` drugs (in the order of the evidence), ``o`` outcomes.

    ``features`` (n, len(PATIENT_FEATURES)) on the day of the prescription, ``terms`` (n, d, len(DRUG_FEATURES)),
    ``given`` (n,) the drug prescribed, ``outcome`` (n, o) 0 or 1, NaN where not known. ``patients`` and
    ``fingerprints`` (n) tell rows apart and are never written. ``groups`` by dimension (n,) are for audits alone.
    ``schema`` and ``evidence`` are the versions that the columns are made by.
    """

    patients: tuple[str, ...]
    fingerprints: tuple[str, ...]
    features: Array
    terms: Array
    given: Integers
    outcome: Array
    groups: Mapping[str, Labels]
    schema: str
    evidence: str

    def columns(self) -> Array:
        """Return the model's columns (n, MODEL_FEATURES) of the drug given."""
        return np.hstack([self.features, self.terms[np.arange(len(self)), self.given]])

    def every(self) -> Array:
        """Return the model's columns (n * d, MODEL_FEATURES) of every drug, a patient's drugs one after the other."""
        patients, drugs, width = self.terms.shape
        return np.hstack([np.repeat(self.features, drugs, axis=0), self.terms.reshape(patients * drugs, width)])

    def __len__(self) -> int:
        return len(self.given)


def part(rows: SiteRows, kept: NDArray[Any]) -> SiteRows:
    """Return the rows that a mask or an index keeps."""
    index: list[int] = np.arange(len(rows))[kept].tolist()
    return replace(
        rows,
        patients=tuple(rows.patients[i] for i in index),
        fingerprints=tuple(rows.fingerprints[i] for i in index),
        features=rows.features[index],
        terms=rows.terms[index],
        given=rows.given[index],
        outcome=rows.outcome[index],
        groups={name: labels[index] for name, labels in rows.groups.items()},
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """What rows are read with: dialect, knowledge, the model that is to be updated, and the day of the export."""

    profile: Profile
    knowledge: Knowledge
    model: Model
    exported: date


@dataclass(frozen=True, slots=True)
class Row:
    """One patient's row; arrays (features,), (drugs, terms), (outcomes,)."""

    patient: str
    fingerprint: str
    features: Array
    terms: Array
    given: str
    outcome: Array
    groups: Mapping[str, str]


def collected(found: Iterable[Row | str], model: Model) -> tuple[SiteRows, Mapping[str, int]]:
    """Return the rows together, in the order of the patients' references, and how many have none for each reason."""
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    for one in found:
        if isinstance(one, str):
            left_out[one] += 1
        else:
            rows.append(one)
    return _gathered(rows, model), dict(sorted(left_out.items()))


def row_of_item(item: Item, reader: Reader) -> Row | str:
    """Return the row of one patient of an export, or why there is none."""
    return UNREAD if isinstance(item.chart, InputError) else row_of(item.chart, reader)


def row_of(chart: Chart, reader: Reader) -> Row | str:
    """Return the row of one patient, or why there is none; features are of the chart as known on the day."""
    try:
        reading = Reading(chart, reader.profile, terminology.load())
        whole = canonical(reading, reader.exported)
        if _withheld(chart, whole, reader.exported):
            return CONSENT
        found = episode(whole, frozenset(reader.model.evidence.drugs), reader.exported, windows.load())
        if isinstance(found, str):
            return found
        then = adapt_chart(replace(reading, chart=as_known(chart, found.start)), found.start)
    except InputError:
        return UNREAD
    planned = focus.focus(then.patient, then.features, reader.knowledge)
    if planned is None or planned.name != focus.DEPRESSION:
        return NO_DEPRESSION
    if models.support(reader.model.manifest, then.features):
        return UNSUPPORTED
    return _row(whole, then, found, reader.model)


def _withheld(chart: Chart, patient: CanonicalPatient, day: date) -> bool:
    """Say whether a Consent in force keeps the record from AI, or an active one denies anything to anybody.

    The bedside serves whom a denial of research leaves alone; learning from a record does not.
    """
    denied = any(one.decision in ("deny", "unreadable") and in_force(one, day) for one in patient.consents)
    return denied or any(one.status == "active" and _denies(one.provision) for one in chart.consents)


def _denies(provision: wire.Provision | None) -> bool:
    return provision is not None and (provision.type == "deny" or any(map(_denies, provision.provision)))


def _row(whole: CanonicalPatient, then: Adapted, found: Episode, model: Model) -> Row:
    columns = models.rows(then.features, tuple(model.evidence.drugs), model.evidence)
    features, terms = columns[0, : len(PATIENT_FEATURES)], columns[:, len(PATIENT_FEATURES) :]
    outcome = np.array([found.outcomes.get(name, np.nan) for name in OUTCOMES], np.float64)
    told = (whole.birth_date, found.start, found.ingredient, found.baseline, features.tobytes(), outcome.tobytes())
    return Row(
        patient=whole.reference,
        fingerprint=hashlib.sha256(repr(told).encode()).hexdigest(),
        features=features,
        terms=terms,
        given=found.ingredient,
        outcome=outcome,
        groups=_groups(then),
    )


def _groups(then: Adapted) -> dict[str, str]:
    age = then.features.number("age")
    bands = [name for least, name in _AGE_BANDS if age is not None and age >= least]
    return {
        "sex": then.features.text("sex") or "",
        "age_band": bands[-1] if bands else "",
        "race": ";".join(then.demographics.race),
        "ethnicity": ";".join(then.demographics.ethnicity),
    }


def _gathered(found: Sequence[Row], model: Model) -> SiteRows:
    ordered = sorted(found, key=lambda one: (one.patient, one.fingerprint))
    names, drugs = ("sex", "age_band", "race", "ethnicity"), tuple(model.evidence.drugs)
    return SiteRows(
        patients=tuple(one.patient for one in ordered),
        fingerprints=tuple(one.fingerprint for one in ordered),
        features=np.array([one.features for one in ordered]).reshape(len(ordered), len(PATIENT_FEATURES)),
        terms=np.array([one.terms for one in ordered]).reshape(len(ordered), len(drugs), len(DRUG_FEATURES)),
        given=np.array([drugs.index(one.given) for one in ordered], np.intp),
        outcome=np.array([one.outcome for one in ordered]).reshape(len(ordered), len(OUTCOMES)),
        groups={name: np.array([one.groups[name] for one in ordered], np.str_) for name in names},
        schema=SCHEMA_VERSION,
        evidence=model.evidence.version,
    )
