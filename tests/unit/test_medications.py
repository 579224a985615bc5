"""Medication resources to courses."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import MedicationCourse
from tests.fixtures.resources import (
    FLUOXETINE,
    RXNORM,
    SERTRALINE,
    SNOMED,
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


def test_why_a_drug_was_stopped_is_in_the_charts_words() -> None:
    """The reason of a drug no longer taken is its text, else a display, else a code; a drug that is taken has none."""
    said = concept("http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason", "sintol")
    assert course(request("m", SERTRALINE, status="stopped", statusReason=said)).stopped_because == "sintol"
    words = {**said, "text": "Suspected intolerance"}
    assert course(request("m", SERTRALINE, status="stopped", statusReason=words)).stopped_because == words["text"]
    assert course(request("m", SERTRALINE, status="active", statusReason=words)).stopped_because is None
    assert course(request("m", SERTRALINE, status="stopped")).stopped_because is None


def test_a_drug_not_taken_is_no_course() -> None:
    """A MedicationStatement of not-taken is refused by that name, and says of which drug."""
    found = adapted(statement("m", SERTRALINE, status="not-taken")).patient
    assert found.medications == ()
    assert [(one.reason, one.key) for one in found.refusals] == [("not-taken", "taken.sertraline")]


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
DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}


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
    found = course(
        request(
            "new",
            SERTRALINE,
            authoredOn="2026-08-01",
            dosageInstruction=dosage({**MG, "value": 100}, **DAILY),
        ),
        request("old", SERTRALINE, authoredOn="2026-05-01", dosageInstruction=dosage(MG, **DAILY)),
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


def dispense(id_: str, drug: Resource, **fields: object) -> Resource:
    """A drug handed over on the first of November."""
    return {
        "resourceType": "MedicationDispense",
        "id": id_,
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": drug,
        "whenHandedOver": "2026-11-01",
        **fields,
    }


def administration(id_: str, drug: Resource, **fields: object) -> Resource:
    """A drug given on the twentieth of November."""
    return {
        "resourceType": "MedicationAdministration",
        "id": id_,
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": drug,
        "effectiveDateTime": "2026-11-20",
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"daysSupply": {"value": 30, "unit": "day", "code": "d"}}, ("stopped", date(2026, 12, 1))),
        ({"daysSupply": {"value": 2, "unit": "wk", "code": "wk"}}, ("stopped", date(2026, 11, 15))),
        ({"daysSupply": {"value": 30}}, ("stopped", date(2026, 12, 1))),
        ({"daysSupply": {"value": 30, "comparator": "<"}}, ("unknown", None)),
        ({"daysSupply": {"value": 30, "unit": "mo", "code": "mo"}}, ("unknown", None)),
        ({}, ("unknown", None)),
        ({"status": "in-progress", "daysSupply": {"value": 30}}, ("unknown", None)),
        ({"whenHandedOver": "2026-11", "daysSupply": {"value": 30}}, ("stopped", date(2026, 12, 30))),
    ],
)
def test_a_drug_handed_over_lasts_as_long_as_its_supply(
    fields: dict[str, object], expected: tuple[str, date | None]
) -> None:
    """A dispensed drug may be taken to the last day of its supply; without one nobody knows."""
    found = course(dispense("d", SERTRALINE, **fields))
    assert (found.taking, found.stop) == expected


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (dispense("d", SERTRALINE, status="declined"), "declined"),
        (dispense("d", SERTRALINE, status="cancelled"), "cancelled"),
        (administration("a", SERTRALINE, status="not-done"), "not-done"),
    ],
)
def test_a_drug_that_was_not_given_is_refused_by_name(resource: Resource, reason: str) -> None:
    """Dispenses and administrations that did not happen are no drug that is taken."""
    found = adapted(resource).patient
    assert found.medications == ()
    assert [one.reason for one in found.refusals] == [reason]


def test_a_drug_given_once_is_over_on_that_day() -> None:
    """An administration alone never says that the drug goes on."""
    found = course(administration("a", SERTRALINE))
    assert (found.taking, found.start, found.stop) == ("stopped", date(2026, 11, 20), date(2026, 11, 20))


def test_monthly_supplies_are_one_course() -> None:
    """Supplies without a day between them are one course from the first to the end of the last."""
    days = {"daysSupply": {"value": 30, "unit": "d", "code": "d"}}
    first = dispense("d1", SERTRALINE, whenHandedOver="2026-10-02", **days)
    found = course(dispense("d2", SERTRALINE, **days), first)
    assert (found.start, found.stop) == (date(2026, 10, 2), date(2026, 12, 1))


def test_a_supply_at_home_counts_as_present_antidepressant() -> None:
    """With only a dispense on file, the days on the antidepressant count from the day it was handed over."""
    days = {"daysSupply": {"value": 30, "unit": "d", "code": "d"}}
    found = adapted(dispense("d", SERTRALINE, **days)).features
    assert found.number("antidepressant_days") == 21
    assert found.number("antidepressant_trials") == 0


def test_simultaneous_orders_of_one_drug_name_each_other() -> None:
    """Two orders in force for one drug are one course that names the other as a duplicate."""
    found = course(
        request("new", SERTRALINE, authoredOn="2026-08-01"), request("old", SERTRALINE, authoredOn="2026-05-01")
    )
    assert found.duplicates == ("MedicationRequest/old",)


@pytest.mark.parametrize("intent", ["instance-order", "filler-order", "reflex-order"])
def test_a_chain_of_orders_is_one_course_and_no_duplicate(intent: str) -> None:
    """What fills or repeats an order is the order's own course."""
    chain = (request("o", SERTRALINE, intent="original-order"), request("i", SERTRALINE, intent=intent))
    assert course(*chain).duplicates == ()


def test_an_ended_order_is_no_duplicate() -> None:
    """Only orders in force are duplicates of each other."""
    found = adapted(request("new", SERTRALINE), request("old", SERTRALINE, status="completed")).patient.medications
    assert [one.duplicates for one in found] == [(), ()]


def test_a_statement_that_disagrees_stays_beside_the_order() -> None:
    """An order of 100 mg and a statement of 50 mg are two courses; none is chosen and nothing is averaged."""
    ordered = request("m", SERTRALINE, dosageInstruction=dosage({**MG, "value": 100}, **DAILY))
    said = statement("s", SERTRALINE, effectiveDateTime="2026-09-01", dosage=dosage(MG, **DAILY))
    found = adapted(ordered, said).patient.medications
    assert sorted(one.dose_mg_per_day or 0 for one in found) == [50, 100]


def test_a_statement_that_agrees_joins_the_order() -> None:
    """An order and a statement of one dose are one course, and no duplicate."""
    ordered = request("m", SERTRALINE, dosageInstruction=dosage(MG, **DAILY))
    said = statement("s", SERTRALINE, effectiveDateTime="2026-09-01", dosage=dosage(MG, **DAILY))
    assert course(ordered, said).duplicates == ()


def route(*codings: tuple[str, str], text: str | None = None) -> list[Resource]:
    """One dosage with a route."""
    coded = [{"system": system, "code": code} for system, code in codings]
    return [{"route": {"coding": coded, **({"text": text} if text else {})}}]


V3_ROUTE = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"


@pytest.mark.parametrize(
    ("dosages", "expected"),
    [
        (route((SNOMED, "26643006")), "oral"),
        (route((V3_ROUTE, "PO")), "oral"),
        (route(text="By mouth"), "oral"),
        (route(text="Intramuscular"), "intramuscular"),
        (route((SNOMED, "26643006"), (SNOMED, "47625008")), None),
        (route((SNOMED, "26643006")) + route((SNOMED, "47625008")), None),
        (route(text="per gastrostomy"), None),
        ([], None),
    ],
)
def test_the_route_is_read_where_all_say_the_same(dosages: list[Resource], expected: str | None) -> None:
    """A route is known by code or text, and two routes are none."""
    assert course(request("m", SERTRALINE, dosageInstruction=dosages)).route == expected


def test_two_routes_are_two_courses() -> None:
    """Tablets and injections of one drug stay apart."""
    oral = request("o", SERTRALINE, dosageInstruction=route((SNOMED, "26643006")))
    injected = request("i", SERTRALINE, dosageInstruction=route((SNOMED, "255559005")))
    assert {one.route for one in adapted(oral, injected).patient.medications} == {"oral", "intramuscular"}


def test_steps_end_with_the_last_of_them() -> None:
    """A course of several dosages ends on the last day of the latest one, and has no one dose."""
    steps = [
        {"sequence": place, "timing": {"repeat": {"boundsPeriod": {"start": start, "end": end}}}}
        for place, (start, end) in enumerate([("2026-08-01", "2026-08-14"), ("2026-08-15", "2026-09-30")], 1)
    ]
    found = course(request("m", SERTRALINE, status="stopped", dosageInstruction=steps))
    assert (found.stop, found.dose_mg_per_day) == (date(2026, 9, 30), None)


def test_a_dose_that_cannot_be_read_says_why() -> None:
    """The reason why a dosage gave no milligrams a day is on record under the resource's own element."""
    words = [{"text": "taper as directed"}]
    found = adapted(request("m", SERTRALINE, dosageInstruction=words), statement("s", SERTRALINE, dosage=words)).patient
    assert [(one.path, one.reason) for one in found.refusals] == [
        ("dosageInstruction", "dose-text-not-understood"),
        ("dosage", "dose-text-not-understood"),
    ]
    assert found.lists["medications"] == "supplied"


@given(st.permutations(range(6)))
def test_the_order_of_entries_changes_no_course(order: list[int]) -> None:
    """Courses, duplicates and joins are the same whatever the order of the resources."""
    resources = [
        request("a", SERTRALINE, authoredOn="2026-01-01"),
        request("b", SERTRALINE, authoredOn="2026-06-01"),
        statement("c", SERTRALINE, effectiveDateTime="2026-06-01"),
        dispense("d", SERTRALINE, daysSupply={"value": 30, "code": "d"}),
        dispense("e", SERTRALINE, whenHandedOver="2026-01-01", daysSupply={"value": 30, "code": "d"}),
        request("f", FLUOXETINE),
    ]
    found = adapted(*(resources[place] for place in order)).patient.medications
    assert found == adapted(*resources).patient.medications
