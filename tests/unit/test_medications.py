"""Medication resources to courses."""

from datetime import date

import pytest

from fhir_adapters.canonical import MedicationCourse
from tests.fixtures.resources import (
    FLUOXETINE,
    RXNORM,
    SERTRALINE,
    UCUM,
    Resource,
    adapted,
    concept,
    fixture,
    request,
    statement,
)


def course(*resources: Resource) -> MedicationCourse:
    """The one course of these resources."""
    (found,) = adapted(*resources).patient.medications
    return found


@pytest.mark.parametrize(
    ("fields", "taking"),
    [
        ({}, "taking"),
        ({"intent": "original-order"}, "taking"),
        ({"intent": "instance-order"}, "taking"),
        ({"intent": "reflex-order"}, "taking"),
        ({"intent": "plan"}, "reported"),
        ({"reportedBoolean": True}, "reported"),
        ({"status": "on-hold"}, "unknown"),
        ({"status": "unknown"}, "unknown"),
        ({"status": "paused"}, "unknown"),
        ({"intent": "wish"}, "unknown"),
        ({"status": "completed"}, "stopped"),
        ({"status": "stopped", "intent": "plan"}, "stopped"),
    ],
)
def test_what_a_request_says_of_taking(fields: Resource, taking: str) -> None:
    """Status and intent of a MedicationRequest together say whether the drug is taken."""
    assert course(request("m", SERTRALINE, **fields)).taking == taking


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "draft"}, "draft-proposal"),
        ({"intent": "proposal"}, "draft-proposal"),
        ({"intent": "option"}, "intent-option"),
        ({"doNotPerform": True}, "do-not-perform"),
    ],
)
def test_a_request_that_is_no_course_is_refused_by_name(fields: Resource, reason: str) -> None:
    """Drafts, cancelled requests and prohibitions are no drug that is taken."""
    found = adapted(request("m", SERTRALINE, **fields)).patient
    assert found.medications == ()
    assert [one.reason for one in found.refusals] == [reason]


@pytest.mark.parametrize(
    ("status", "taking"),
    [
        ("active", "taking"),
        ("intended", "ordered"),
        ("completed", "stopped"),
        ("stopped", "stopped"),
        ("on-hold", "unknown"),
        ("unknown", "unknown"),
        ("finished", "unknown"),
    ],
)
def test_what_a_statement_says_of_taking(status: str, taking: str) -> None:
    """The status of a MedicationStatement says whether the drug is taken."""
    assert course(statement("m", SERTRALINE, status=status)).taking == taking


def test_a_drug_not_taken_is_no_course() -> None:
    """A MedicationStatement of not-taken is refused by that name."""
    found = adapted(statement("m", SERTRALINE, status="not-taken")).patient
    assert found.medications == ()
    assert [one.reason for one in found.refusals] == ["not-taken"]


def test_every_status_of_the_fixture_is_a_course_or_a_refusal() -> None:
    """No resource of drug_statuses.json disappears."""
    found = fixture("drug_statuses").patient
    named = " ".join(f"{one.source.reference} {one.source.path}" for one in found.medications).split()
    references = {one for one in named if one.startswith("Medication")} | {one.reference for one in found.refusals}
    assert len(references) == 20


@pytest.mark.parametrize(
    ("drug", "ingredients"),
    [
        (concept(RXNORM, "36437", "sertraline"), ("sertraline",)),
        (SERTRALINE, ("sertraline",)),
        ({"text": "Sertraline 50 mg tablet"}, ("sertraline",)),
        (
            {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.253", "code": "1"}], "text": "sertraline"},
            ("sertraline",),
        ),
        (concept("urn:oid:2.16.840.1.113883.6.88", "312941"), ("sertraline",)),
    ],
)
def test_a_drug_is_known_by_ingredient_product_or_text(drug: Resource, ingredients: tuple[str, ...]) -> None:
    """Ingredient codes, products, aliases of RxNorm and plain text reduce to the ingredient."""
    assert course(request("m", drug)).ingredients == ingredients


@pytest.mark.parametrize(
    ("drug", "unresolved"),
    [
        (concept(RXNORM, "99999999", "Somethingol 5 MG"), "code-unknown"),
        ({"text": "Herbal calm capsules"}, "text-not-understood"),
        ({"text": "stop sertraline"}, "text-not-understood"),
        (concept(RXNORM, "99999999"), "code-unknown"),
        ({"coding": [*SERTRALINE["coding"], *FLUOXETINE["coding"]]}, "conflicting"),
        ({"coding": SERTRALINE["coding"], "text": "fluoxetine 20 mg capsule"}, "conflicting"),
        ({}, "not-named"),
    ],
)
def test_a_drug_that_is_not_known_stays_without_ingredients(drug: Resource, unresolved: str) -> None:
    """An unresolved drug is a course that says why, never dropped and never guessed."""
    found = course(request("m", drug))
    assert (found.ingredients, found.unresolved) == ((), unresolved)


def test_several_codes_of_one_drug_agree() -> None:
    """Product and ingredient codes of sertraline together are sertraline, named by the product."""
    both = {"coding": [{"system": RXNORM, "code": "36437"}, *SERTRALINE["coding"]]}
    found = course(request("m", both))
    assert (found.ingredients, found.rxnorm) == (("sertraline",), "312941")


def test_a_contained_medication_is_followed() -> None:
    """A drug in a contained Medication is known, with its dose."""
    (found,) = fixture("drug_contained").patient.medications
    assert (found.ingredients, found.dose_mg_per_day) == (("sertraline",), 50)


def test_references_in_the_bundle_are_followed_in_any_form() -> None:
    """Relative and absolute references find the drug; outside ones fall back on their text, or on nothing."""
    found = fixture("drug_in_bundle").patient.medications
    assert sorted((one.ingredients, one.unresolved) for one in found) == [
        ((), "reference-not-found"),
        (("fluoxetine",), None),
        (("sertraline",), None),
    ]


def test_a_medication_made_of_ingredients_is_known_by_them() -> None:
    """A Medication without a known code is resolved from its ingredients."""
    made = {
        "resourceType": "Medication",
        "id": "x",
        "code": {"text": "House mixture"},
        "ingredient": [{"itemCodeableConcept": concept(RXNORM, "36437", "sertraline")}],
    }
    assert course(made, request("m", None, medicationReference={"reference": "Medication/x"})).ingredients == (
        "sertraline",
    )


def test_both_forms_of_a_drug_must_agree() -> None:
    """A request with a concept and a reference that name different drugs is conflicting."""
    outside = {"reference": "Medication/x", "display": "fluoxetine 20 MG Oral Capsule"}
    assert course(request("m", SERTRALINE, medicationReference=outside)).unresolved == "conflicting"


def test_no_known_medication_is_no_drug() -> None:
    """The IPS code for no known medications supplies the list and gives no course."""
    ips = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    found = adapted(statement("m", concept(ips, "no-known-medications"))).patient
    assert (found.medications, found.lists["medications"]) == ((), "supplied")


def test_no_information_leaves_the_list_incomplete() -> None:
    """The IPS code for no information does not make a list whole."""
    ips = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    found = adapted(statement("m", concept(ips, "no-medication-info"))).patient
    assert (found.medications, found.lists["medications"]) == ((), "partial")


def dosage(amount: Resource, **repeat: object) -> list[Resource]:
    """One dosage of an amount, repeated."""
    return [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": amount}]}]


MG = {"value": 50, "unit": "mg", "system": UCUM, "code": "mg"}


@pytest.mark.parametrize(
    ("dosages", "expected"),
    [
        (dosage(MG, frequency=1, period=1, periodUnit="d"), 50),
        (dosage(MG, frequency=2, period=1, periodUnit="d"), 100),
        (dosage(MG, frequency=1, period=8, periodUnit="h"), 150),
        (dosage(MG, frequency=1, period=1, periodUnit="wk"), 50 / 7),
        (dosage({"value": 0.5, "unit": "g"}, frequency=1, period=1, periodUnit="d"), 500),
        (dosage({"value": 2, "unit": "tablet"}, frequency=1, period=1, periodUnit="d"), None),
        (dosage(MG, frequency=1, frequencyMax=2, period=1, periodUnit="d"), None),
        (dosage(MG), None),
        (dosage(MG, frequency=1, period=1, periodUnit="mo"), None),
        (dosage({**MG, "value": -50}, frequency=1, period=1, periodUnit="d"), None),
        ([{**dosage(MG, frequency=1, period=1, periodUnit="d")[0], "asNeededBoolean": True}], None),
        (dosage(MG, frequency=1, period=1, periodUnit="d") * 2, None),
        ([{"text": "50 mg daily"}], None),
        ([], None),
    ],
)
def test_a_dose_a_day_needs_milligrams_and_times(dosages: list[Resource], expected: float | None) -> None:
    """Only an amount in mg or g with a plain timing is a daily dose."""
    found = course(request("m", SERTRALINE, dosageInstruction=dosages)).dose_mg_per_day
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_latest_end_counts_for_a_stopped_course() -> None:
    """The wash-out of a stopped drug is counted from the last day on which it can have been taken."""
    found = course(
        request(
            "m",
            SERTRALINE,
            status="stopped",
            authoredOn="2026-01-01",
            dispenseRequest={"validityPeriod": {"end": "2026-05"}},
            dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": {"end": "2026-04-01"}}}}],
        )
    )
    assert (found.start, found.stop) == (date(2026, 1, 1), date(2026, 5, 31))


def test_renewals_of_one_drug_are_one_course() -> None:
    """Two active orders of one drug are one course: the earliest start, the newest dose, both named."""
    daily = {"frequency": 1, "period": 1, "periodUnit": "d"}
    found = course(
        request(
            "new",
            SERTRALINE,
            authoredOn="2026-08-01",
            dosageInstruction=dosage({**MG, "value": 100}, **daily),
        ),
        request("old", SERTRALINE, authoredOn="2026-05-01", dosageInstruction=dosage(MG, **daily)),
    )
    assert (found.start, found.dose_mg_per_day) == (date(2026, 5, 1), 100)
    assert found.source.reference == "MedicationRequest/new"
    assert "MedicationRequest/old" in found.source.path


def test_courses_with_a_gap_stay_apart() -> None:
    """Two ended courses of one drug with months between them are two courses."""
    spans = [("2024-01-01", "2024-03-01"), ("2025-01-01", "2025-03-01")]
    found = adapted(
        *(
            statement(f"s{place}", SERTRALINE, status="completed", effectivePeriod={"start": start, "end": end})
            for place, (start, end) in enumerate(spans)
        )
    ).patient.medications
    assert len(found) == 2
