"""The dialect law: the same patient in any dialect gives the same vector, or an honestly named absence.

Never another value, and no drug, problem, allergy or denial that vanishes without a word. What each dialect is
known to lose stands in tests/fixtures/dialect_absences.csv; ``python -m tests.bench.dialects`` prints it for the
shipped patients.
"""

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.reference_ehr import dialects
from conformance.reference_ehr import patients as people
from conformance.reference_ehr.dialects import envelopes
from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import profile
from fhir_adapters.vector.schema import BY_NAME
from tests.fixtures.dialect_law import Violation, read, rows, violations
from tests.fixtures.resources import AS_OF, MDD, Resource, observation, patient, quantity
from tests.fixtures.whole_patients import patients

SHIPPED = {person.id: person.resources for person in people.load(AS_OF)}
OTHERS = [name for name in dialects.names() if name != dialects.PLAIN]
THOROUGH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _potassium(name: str, day: str, value: float) -> Resource:
    base = observation(name, "2823-3", day, valueQuantity=quantity(value, "mmol/L"))
    return {**base, "code": {**base["code"], "text": "Potassium"}}


def _score(name: str, day: str, value: float) -> Resource:
    return observation(name, "44261-6", day, valueQuantity=quantity(value, "{score}"))


# Types that no fact is read from, as any chart has them.
IRRELEVANT: tuple[Resource, ...] = (
    {"resourceType": "EpisodeOfCare", "id": "e1", "status": "finished", "patient": {"reference": "Patient/p1"}},
    {"resourceType": "Immunization", "id": "i1", "status": "completed", "patient": {"reference": "Patient/p1"}},
    {"resourceType": "Appointment", "id": "a1", "status": "booked", "participant": [{"status": "accepted"}]},
)
STRANGER = "Patient/somebody-else"


def adapted(written: Sequence[Resource], dialect: str) -> Adapted:
    """Adapt resources that are already in a dialect."""
    return adapt(envelopes.dumped(list(written)), AS_OF, profile.load(dialect))


def breaches(chart: Sequence[Resource], dialect: str) -> list[Violation]:
    """Return what breaks the law in a chart."""
    return violations(read(chart), read(chart, dialect), dialect)


@pytest.mark.parametrize(
    ("dialect", "chart"),
    [
        ("nextgen-r4", (patient(), _potassium("old", "2026-09-01", 3.9), _potassium("k5", "2026-11-01", 4.8))),
        ("epic-r4", (patient(), MDD)),
        ("eclinicalworks-r4", (patient(), _score("s1", "2026-09-01", 19), _score("s2", "2026-11-01", 17))),
    ],
)
def test_what_once_broke_the_law_keeps_it(dialect: str, chart: Sequence[Resource]) -> None:
    """A result whose code lost its system, a total as text, a notice behind every answer: each once broke the law."""
    assert breaches(chart, dialect) == []


@pytest.mark.parametrize("dialect", OTHERS)
@given(chart=patients())
@THOROUGH
def test_the_dialect_law(dialect: str, chart: list[Resource]) -> None:
    """A whole patient read from a dialect says what plain R4 says, or names what it cannot say."""
    assert breaches(chart, dialect) == []


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("dialect", OTHERS)
def test_the_law_holds_for_the_shipped_patients(dialect: str, name: str) -> None:
    """Each synthetic patient of the reference EHR keeps the law in each dialect."""
    assert breaches(SHIPPED[name], dialect) == []


@pytest.mark.parametrize("dialect", dialects.names())
@given(chart=patients(), shuffle=st.randoms(use_true_random=False))
@QUICK
def test_the_order_of_entries_changes_nothing(dialect: str, chart: list[Resource], shuffle: random.Random) -> None:
    """A dialect's resources in any order give the same patient and the same features."""
    written = dialects.write(chart, dialect)
    shuffled = list(written)
    shuffle.shuffle(shuffled)
    assert adapted(shuffled, dialect) == adapted(written, dialect)


@pytest.mark.parametrize("dialect", dialects.names())
@given(chart=patients())
@QUICK
def test_reading_twice_gives_the_same(dialect: str, chart: list[Resource]) -> None:
    """Reading keeps nothing from one chart to the next."""
    assert read(chart, dialect) == read(chart, dialect)


@pytest.mark.parametrize("dialect", dialects.names())
@given(chart=patients())
@QUICK
def test_irrelevant_resources_change_nothing(dialect: str, chart: list[Resource]) -> None:
    """Episodes of care, immunisations and appointments between the rest tell nothing."""
    written = dialects.write(chart, dialect)
    assert adapted([*written, *IRRELEVANT], dialect) == adapted(written, dialect)


@pytest.mark.parametrize("dialect", dialects.names())
@given(chart=patients())
@QUICK
def test_another_patients_resources_are_refused_and_change_nothing(dialect: str, chart: list[Resource]) -> None:
    """What is somebody else's is refused by name, and no feature and no fact moves."""
    written = dialects.write(chart, dialect)
    theirs = [_moved(one) for one in written if _is_owned(one)]
    alone, crowded = adapted(written, dialect), adapted([*written, *theirs], dialect)
    assert crowded.features == alone.features
    for name in ("medications", "diagnoses", "allergies", "consents", "measurements", "scales", "genotypes", "daily"):
        assert getattr(crowded.patient, name) == getattr(alone.patient, name), name
    more = set(crowded.patient.refusals) - set(alone.patient.refusals)
    assert {one.reference.partition("/")[2] for one in more} <= {str(one["id"]) for one in theirs}


def _is_owned(resource: Resource) -> bool:
    return "Patient/p1" in str(resource.get("subject") or resource.get("patient"))


def _moved(resource: Resource) -> Resource:
    moved: dict[str, Any] = json.loads(envelopes.dumped(resource).replace(b"Patient/p1", STRANGER.encode()))
    return {**moved, "id": f"theirs-{resource['id']}"}


@pytest.mark.parametrize("dialect", OTHERS)
@given(chart=patients())
@QUICK
def test_pages_give_the_same_or_say_that_something_is_missing(dialect: str, chart: list[Resource]) -> None:
    """The pages of a search as they come say what the whole says, or that their lists are not whole."""
    whole = read(chart, dialect)
    lines = b"\n".join(envelopes.dumped(page) for page in dialects.pages(chart, dialect))
    paged = adapt(lines, AS_OF, profile.load(dialect))
    for name, before in whole.features.features.items():
        after = paged.features.features[name]
        assert after == before or (after.status != "present" and (after.reason or "").endswith("-partial")), name


def test_the_table_names_dialects_and_features_that_there_are() -> None:
    """No row of the absences is for a dialect or a feature that does not exist, and none is said twice."""
    seen: set[tuple[str, str, str]] = set()
    for row in rows():
        assert row["dialect"] in OTHERS, row
        assert row["because"], row
        for feature in row["feature"].split("|"):
            assert feature in BY_NAME, row
            assert (row["dialect"], feature, row["reason"]) not in seen, row
            seen.add((row["dialect"], feature, row["reason"]))
