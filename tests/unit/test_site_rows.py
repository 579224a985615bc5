"""From a site's records to rows: what was known on the day, which patients count, and what became of them."""

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest

from fhir_adapters.adapt import adapt
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.errors import InputError
from fhir_adapters.reading import reader
from fhir_adapters.reading.population import Item
from recommender.catalog import packs
from recommender.cohort.evidence import OUTCOMES, PATIENT_FEATURES
from recommender.ranker import model as models
from recommender.training.site import rows
from recommender.training.site.rows import Reader, Row, collected, row_of, row_of_item
from tests.fixtures import fhir
from tests.fixtures.fhir import Json, bundle, raw

START, EXPORTED = date(2026, 3, 2), date(2026, 11, 22)
ANXIETY = {"coding": [{"system": "http://snomed.info/sct", "code": "21897009"}]}


def day(after: int) -> str:
    """Return the day so many days after the start."""
    return (START + timedelta(days=after)).isoformat()


def scale(code: str, total: int, when: int, **changes: Any) -> Json:
    """Return a total of a rating scale, by its LOINC code, so many days after the start."""
    concept = {"coding": [{"system": "http://loinc.org", "code": code}]}
    quantity = {"value": total, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}
    told: Json = {"code": concept, "valueQuantity": quantity, "effectiveDateTime": day(when), "id": f"{code}-{when}"}
    return fhir.observation(**{**told, **changes})


def phq9(total: int, when: int, **changes: Any) -> Json:
    """Return a PHQ-9 total."""
    return scale("44261-6", total, when, **changes)


def drug(name: str, start: int, end: int | None = None, **changes: Any) -> Json:
    """Return an order from one day to another, counted from the start."""
    period = {"start": day(start), **({"end": day(end)} if end is not None else {})}
    dosage = [{"text": "once a day", "timing": {"repeat": {"boundsPeriod": period}}}]
    told = {"text": f"{name} 50 MG Oral Tablet" if name == "sertraline" else f"{name} 20 MG Oral Capsule"}
    head = {"authoredOn": day(start), "dosageInstruction": dosage, "medicationCodeableConcept": told}
    return fhir.request(f"{name}-{start}", **{**head, **changes})


def problem(identity: str = "c1", recorded: int = -400, **changes: Any) -> Json:
    """Return an active problem, major depression where no code is given."""
    return fhir.condition(identity, recordedDate=day(recorded), **changes)


def record() -> list[Json]:
    """Return a record: fluoxetine long ago, then sertraline begun at PHQ-9 18, 4 eight weeks later."""
    return [
        fhir.patient(),
        problem(),
        drug("fluoxetine", -400, -300, status="stopped"),
        phq9(18, -1),
        scale("70274-6", 12, -1),
        drug("sertraline", 0),
        phq9(4, 56),
    ]


@cache
def _reader() -> Reader:
    return Reader(profiles.load("base-r4"), packs.load(None), models.load(), EXPORTED)


def read(*resources: Json) -> Row | str:
    """Return the row of a record, or why there is none."""
    return row_of(reader.read(raw(bundle(*resources))), _reader())


def row(*resources: Json) -> Row:
    """Return the row of a record that gives one."""
    found = read(*resources)
    assert isinstance(found, Row), found
    return found


def without(*names: str) -> list[Json]:
    """Return the record without some resources, named by how their id begins."""
    return [one for one in record() if not one["id"].startswith(names)]


def outcomes(found: Row) -> dict[str, float]:
    """Return the outcomes that are known."""
    return {name: value for name, value in zip(OUTCOMES, found.outcome.tolist(), strict=True) if value == value}


def test_a_row_is_what_the_bedside_would_have_read() -> None:
    """The features are those of the record before the prescription, adapted on its day."""
    found = row(*record())
    before = [one for one in record() if not one["id"].startswith(("sertraline", "44261-6-56"))]
    then = adapt(raw(bundle(*before)), START)
    assert np.array_equal(found.features, models.patient_row(then.features), equal_nan=True)
    assert dict(zip(PATIENT_FEATURES, found.features.tolist(), strict=True)) | {"bmi": 0} == {
        "age": 45,
        "sex": 1,
        "phq9_total": 18,
        "gad7_total": 12,
        "anxiety_disorder": 0,
        "chronic_depression": pytest.approx(np.nan, nan_ok=True),
        "substance_use": 0,
        "antidepressant_trials": 1,
        "bmi": 0,
    }
    assert (found.given, outcomes(found)) == ("sertraline", {"remission": 1, "response": 1, "stopping": 0})


LATER: dict[str, list[Json]] = {
    "a later PHQ-9": [phq9(2, 100)],
    "a PHQ-9 of the next day": [phq9(3, 1)],
    "a later GAD-7": [scale("70274-6", 1, 30)],
    "a result taken before and reported after": [scale("70274-6", 1, 0, issued=f"{day(5)}T08:00:00Z")],
    "a problem recorded later": [problem("late", 20, code=ANXIETY)],
    "a problem begun before and recorded later": [problem("late", 20, code=ANXIETY, onsetDateTime=day(-50))],
    "a problem begun later": [fhir.condition("late", code=ANXIETY, onsetDateTime=day(3))],
    "another drug later": [drug("lamotrigine", 30)],
    "another antidepressant later": [drug("venlafaxine", 90)],
    "a later statement": [fhir.statement(effectiveDateTime=day(9))],
    "a statement asserted later": [fhir.statement(effectiveDateTime=day(-9), dateAsserted=day(9))],
    "a later dispense": [fhir.dispense(whenHandedOver=day(1))],
    "a later weight": [
        scale("29463-7", 80, 40, valueQuantity={"value": 80, "unit": "kg", "code": "kg"}),
        scale("8302-2", 170, 40, valueQuantity={"value": 170, "unit": "cm", "code": "cm"}),
    ],
    "a later questionnaire": [fhir.response(authored=day(10))],
    "a later family history": [fhir.family(date=day(10))],
}


@pytest.mark.parametrize("name", LATER)
def test_what_was_written_later_changes_no_column(name: str) -> None:
    """Adding facts from after the prescription leaves every column of the row as it was."""
    plain, more = row(*record()), row(*record(), *LATER[name])
    assert np.array_equal(plain.features, more.features, equal_nan=True)
    assert np.array_equal(plain.terms, more.terms, equal_nan=True)
    assert (plain.given, plain.groups) == (more.given, more.groups)


ENDED: dict[str, tuple[Json, Json]] = {
    "a problem that was resolved later": (
        problem("c2", code=ANXIETY),
        problem("c2", code=ANXIETY, clinicalStatus={"coding": [{"code": "resolved"}]}, abatementDateTime=day(30)),
    ),
    "an order that was stopped later": (
        drug("lamotrigine", -90),
        drug("lamotrigine", -90, 20, status="stopped"),
    ),
    "a statement that ended later": (
        fhir.statement(effectivePeriod={"start": day(-90)}),
        fhir.statement(status="completed", effectivePeriod={"start": day(-90), "end": day(20)}),
    ),
}


@pytest.mark.parametrize("name", ENDED)
def test_what_ended_later_still_goes_on(name: str) -> None:
    """What ended after the prescription, and says when, is read as it stood on the day."""
    going, ended = (row(*record(), one) for one in ENDED[name])
    assert np.array_equal(going.features, ended.features, equal_nan=True)


def test_a_problem_that_ended_nobody_knows_when_is_not_absent() -> None:
    """Where a problem is over and no date says since when, what the list does not hold is not known."""
    over = problem("c2", code=ANXIETY, clinicalStatus={"coding": [{"code": "resolved"}]})
    found = dict(zip(PATIENT_FEATURES, row(*record(), over).features.tolist(), strict=True))
    assert np.isnan([found["anxiety_disorder"], found["substance_use"]]).all()


DENIED = fhir.consent(provision={"type": "deny"}, scope={"coding": [{"code": "research"}]})

LEFT_OUT: dict[str, tuple[list[Json], str]] = {
    "no drug": (without("sertraline", "fluoxetine"), "no-dated-start-of-an-antidepressant"),
    "a start by the month": (
        [*without("sertraline", "fluoxetine"), drug("sertraline", 0, authoredOn="2026-03", dosageInstruction=[])],
        "no-dated-start-of-an-antidepressant",
    ),
    "two at once": ([*record(), drug("venlafaxine", 0)], "several-antidepressants-started-together"),
    "no baseline": (without("44261-6--1"), "no-phq9-before-the-start"),
    "a baseline too old": ([*without("44261-6--1"), phq9(18, -31)], "no-phq9-before-the-start"),
    "two totals on the day": ([*record(), phq9(9, -1, id="other")], "no-phq9-before-the-start"),
    "a second trial": ([*record(), drug("sertraline", -700, -600, status="stopped")], "drug-taken-before"),
    "an antidepressant beside it": (
        [*without("fluoxetine"), drug("fluoxetine", -400)],
        "another-antidepressant-goes-on",
    ),
    "too mild": ([*without("44261-6--1"), phq9(7, -1)], "outside-what-the-model-covers"),
    "a child": ([fhir.patient(birthDate="2015-01-01"), *record()[1:]], "outside-what-the-model-covers"),
    "no depression": (without("c1"), "depression-not-on-the-problem-list"),
    "depression recorded after": ([*without("c1"), problem("c1", 5)], "depression-not-on-the-problem-list"),
    "a Consent that denies research": ([*record(), DENIED], "consent-withheld"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_who_is_left_out_and_why(name: str) -> None:
    """A record that cannot be used is left out by the reason of its row, that of its last start."""
    resources, why = LEFT_OUT[name]
    assert read(*resources) == why


def test_an_outcome_that_is_not_over_is_not_guessed() -> None:
    """A start so late that the window reaches beyond the export is left out."""
    early = Reader(_reader().profile, _reader().knowledge, _reader().model, START + timedelta(days=69))
    assert row_of(reader.read(raw(bundle(*record()))), early) == "outcome-window-not-over"


@pytest.mark.parametrize(
    ("totals", "known"),
    [
        ([(4, 56)], {"remission": 1, "response": 1}),
        ([(5, 56)], {"remission": 0, "response": 1}),
        ([(9, 56)], {"remission": 0, "response": 1}),
        ([(10, 56)], {"remission": 0, "response": 0}),
        ([(4, 42)], {"remission": 1, "response": 1}),
        ([(4, 70)], {"remission": 1, "response": 1}),
        ([(4, 41), (4, 71)], {}),
        ([(4, 45), (12, 55)], {"remission": 0, "response": 0}),
        ([(12, 50), (4, 62)], {"remission": 1, "response": 1}),
        ([], {}),
    ],
)
def test_the_outcome_is_the_total_nearest_to_week_8(totals: list[tuple[int, int]], known: dict[str, float]) -> None:
    """Remission is below 5, response half of 18 or less, by the total nearest to day 56 of days 42 to 70."""
    found = outcomes(row(*without("44261-6-56"), *(phq9(total, when) for total, when in totals)))
    assert {name: found[name] for name in found if name != "stopping"} == known


@pytest.mark.parametrize(
    ("courses", "stopped"),
    [
        ([drug("sertraline", 0)], 0),
        ([drug("sertraline", 0, 30, status="stopped")], 1),
        ([drug("sertraline", 0, 56, status="stopped")], 1),
        ([drug("sertraline", 0, 57, status="stopped")], 0),
        ([drug("sertraline", 0, 30, status="completed"), drug("sertraline", 40, 90, status="completed")], 0),
        ([drug("sertraline", 0, 30, status="completed"), drug("sertraline", 45, 90, status="completed")], 1),
        ([drug("sertraline", 0, status="stopped")], None),
        ([drug("sertraline", 0, status="unknown")], None),
    ],
)
def test_stopping_is_what_the_medication_record_tells(courses: list[Json], stopped: float | None) -> None:
    """A course that ends by day 56 without another in 14 days was stopped; where no end is told, nothing is known."""
    assert outcomes(row(*without("sertraline"), *courses)).get("stopping") == stopped


def test_rows_stand_in_the_order_of_the_patients_and_the_rest_is_counted() -> None:
    """Whatever the order of the records, the rows are the same, and every record is a row or a reason."""
    people = [
        Item(name, reader.read(raw(bundle(*[_as(one, name) for one in resources]))))
        for name, resources in (("b", record()), ("a", record()), ("c", without("c1")))
    ]
    unread = Item("d", InputError("U-JSON-SYNTAX", "not JSON"))
    (first, counts), (second, _) = (
        collected((row_of_item(one, _reader()) for one in order), _reader().model)
        for order in ((*people, unread), (unread, *reversed(people)))
    )
    assert first.patients == second.patients == ("Patient/a", "Patient/b")
    assert np.array_equal(first.columns(), second.columns(), equal_nan=True)
    assert counts == {rows.NO_DEPRESSION: 1, rows.UNREAD: 1}
    assert len(set(first.fingerprints)) == 1
    assert first.every().shape == (2 * first.terms.shape[1], first.columns().shape[1])


def _as(resource: Json, name: str) -> Json:
    """Return a resource of another patient."""
    if resource["resourceType"] == "Patient":
        return {**resource, "id": name}
    return {**resource, "subject": {"reference": f"Patient/{name}"}}
