"""From FHIR to facts, the whole story: bytes, chart, canonical patient, feature vector."""

from collections.abc import Mapping
from datetime import date
from operator import attrgetter, eq

from fhir_adapters import labels, patients, terminology
from fhir_adapters.canonical import Adapted, CanonicalPatient, ListState, Refusal
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.gene import genomics
from fhir_adapters.measuring import observations, wearables
from fhir_adapters.medication import medications
from fhir_adapters.problem import allergies, assessments, conditions, consents, family_history, visits
from fhir_adapters.rating import preferences, scales
from fhir_adapters.reading import reader
from fhir_adapters.reading.told import assumed
from fhir_adapters.vector.features import vector

DEFAULT_PROFILE = "base-r4"
_PLACE = attrgetter("reference", "path", "reason")
# Reasons that leave a list incomplete; those of the second line are of the family history.
_HOLES = frozenset({"no-code", "not-asked"}) | frozenset(
    {"history-partial", "health-unknown", "relation-unknown", "status-unknown", "condition-not-understood"}
    | {"problem-not-understood"}
)


def adapt(raw: bytes, as_of: date, profile: Profile | None = None) -> Adapted:
    """Return the patient of a file (Bundle, resource, list or NDJSON) and the features on ``as_of``.

    InputError for bytes or resources that cannot be read.
    """
    profile = profile or profiles.load(DEFAULT_PROFILE)
    chart = reader.read(raw, repairs=profile.repairs, assumed=assumed(profile.fhir_versions), notices=profile.notices)
    return adapt_chart(Reading(chart, profile, terminology.load()), as_of)


def adapt_prefetch(
    values: Mapping[str, bytes],
    patient_id: str,
    as_of: date,
    profile: Profile | None = None,
    *,
    checked: bool = False,
) -> Adapted:
    """Return the patient of a hook call's prefetch values and the features on ``as_of``; InputError.

    ``checked`` when ``strict_json.check`` has already seen the bytes.
    """
    profile = profile or profiles.load(DEFAULT_PROFILE)
    first = assumed(profile.fhir_versions)
    chart = reader.read_prefetch(
        values,
        patient_id,
        repairs=profile.repairs,
        checked=checked,
        assumed=first,
        notices=profile.notices,
        base=profile.base,
    )
    return adapt_chart(Reading(chart, profile, terminology.load()), as_of)


def adapt_chart(reading: Reading, as_of: date) -> Adapted:
    """Return the patient of a chart and the features on ``as_of``; InputError U-FHIR-NO-PATIENT."""
    patient = canonical(reading, as_of)
    return Adapted(patient, vector(patient, as_of), reading.profile.name, patients.demographics(reading))


def canonical(reading: Reading, as_of: date) -> CanonicalPatient:
    """Return the canonical patient of a chart; InputError U-FHIR-NO-PATIENT when it holds none."""
    chart = reading.chart
    if chart.patient is None:
        raise InputError("U-FHIR-NO-PATIENT", "The input holds no Patient; send the Patient resource with it.")
    person = patients.read(reading, chart.patient, as_of)
    coded = observations.elements(reading)
    measured, unmeasured = observations.read(reading, coded)
    assessed, unassessed = assessments.read(reading)
    scored, unscored = scales.read(reading, coded)
    daily, no_daily = wearables.read(reading, coded)
    genes, no_genes = genomics.read(reading)
    courses, no_courses = medications.read(reading)
    diagnoses, no_diagnoses = conditions.read(reading)
    allergic, no_allergies = allergies.read(reading)
    decisions, no_decisions = consents.read(reading)
    family, no_family = family_history.read(reading)
    wanted, unwanted = preferences.read(reading, as_of)
    labelled, unlabelled = labels.read(chart)
    holes = {"medications": no_courses, "conditions": no_diagnoses, "allergies": no_allergies}
    holes |= {"family_history": no_family}
    seen = (*unmeasured, *unassessed, *unscored, *no_daily, *no_genes)
    refused = (*seen, *no_courses, *no_diagnoses, *no_allergies, *no_family, *no_decisions, *unwanted, *unlabelled)
    return CanonicalPatient(
        reference=person.reference,
        fhir_version=chart.fhir_version,
        birth_date=person.birth_date,
        deceased=person.deceased,
        sex=person.sex,
        measurements=(*measured, *assessed),
        scales=scored,
        medications=courses,
        diagnoses=(*diagnoses, *visits.read(reading, as_of)),
        allergies=allergic,
        consents=decisions,
        refusals=_sorted({*chart.refusals, *person.refusals, *refused}),
        lists={name: _state(state, holes.get(name, ())) for name, state in chart.lists.items()},
        birth_date_source=person.birth_date_source,
        sex_source=person.sex_source,
        genotypes=genes,
        daily=daily,
        family_history=family,
        preferences=wanted,
        labels=labelled,
    )


def _sorted(refusals: set[Refusal]) -> tuple[Refusal, ...]:
    """Return the refusals by place and reason, then by all that they say, which is asked only where it is needed."""
    ordered = sorted(refusals, key=_PLACE)
    places = list(map(_PLACE, ordered))
    if any(map(eq, places, places[1:])):
        ordered.sort(key=lambda one: (_PLACE(one), repr(one)))
    return tuple(ordered)


def _state(state: ListState, refusals: tuple[Refusal, ...]) -> ListState:
    holed = state == "supplied" and any(one.reason in _HOLES for one in refusals)
    return "partial" if holed else state
