"""Observations to measurements."""

import pytest

from tests.fixtures.resources import LOINC, SNOMED, Resource, adapted, concept, fixture, observation, quantity


def refusals(*resources: Resource) -> set[tuple[str | None, str]]:
    """Key and reason of what was refused."""
    return {(one.key, one.reason) for one in adapted(*resources).patient.refusals}


def test_a_quantity_stands_in_the_canonical_unit_with_what_was_written() -> None:
    """Creatinine of 80 umol/L is 0.905 mg/dL, and its source keeps the 80 and the unit."""
    (found,) = adapted(observation("cr", "14682-9", valueQuantity=quantity(80, "umol/L"))).patient.measurements
    assert found.key == "creatinine"
    assert found.unit == "mg/dL"
    assert found.value == pytest.approx(0.905, abs=0.001)
    assert found.source.reference == "Observation/cr"
    assert found.source.path == "valueQuantity"
    assert found.source.original is not None
    assert (found.source.original.value, found.source.original.unit) == (80, "umol/L")
    assert found.source.original.code == f"{LOINC}|14682-9"


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_result_status_counts(status: str) -> None:
    """Final, amended and corrected Observations are measurements."""
    sodium = observation("na", "2951-2", status=status, valueQuantity=quantity(140, "mmol/L"))
    assert [one.value for one in adapted(sodium).patient.measurements] == [140]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("registered", "registered"),
        ("preliminary", "preliminary"),
        ("cancelled", "cancelled"),
        ("unknown", "unknown"),
        ("done", "status-unknown"),
        (None, "status-missing"),
    ],
)
def test_another_status_is_refused_by_name(status: str | None, reason: str) -> None:
    """A status that is no result gives a refusal with its name and no measurement."""
    sodium = observation("na", "2951-2", status=status, valueQuantity=quantity(140, "mmol/L"))
    found = adapted({name: value for name, value in sodium.items() if value is not None}).patient
    assert found.measurements == ()
    assert ("sodium", reason) in {(one.key, one.reason) for one in found.refusals}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"valueQuantity": {"value": 140}}, "unit-missing"),
        ({"valueQuantity": quantity(140, "furlong")}, "unit-unknown"),
        ({"valueQuantity": quantity(14000, "mmol/L")}, "implausible"),
        ({"valueQuantity": quantity(140, "mmol/L", comparator="~")}, "comparator-unknown"),
        ({"valueString": "140"}, "value-is-text"),
        ({"valueInteger": 140}, "unit-missing"),
        ({"valueBoolean": True}, "value-type"),
        ({}, "value-missing"),
        ({"dataAbsentReason": concept("x", "not-performed")}, "data-absent-not-performed"),
        ({"dataAbsentReason": concept("x", "local-reason")}, "data-absent"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_name(fields: Resource, reason: str) -> None:
    """Each unreadable value of sodium is a named refusal under its key."""
    assert refusals(observation("na", "2951-2", **fields)) == {("sodium", reason)}


def test_a_bound_keeps_its_comparator() -> None:
    """An eGFR of more than 90 is a measurement that says that it is a bound."""
    egfr = observation("egfr", "98979-8", valueQuantity=quantity(90, "mL/min/{1.73_m2}", comparator=">"))
    (found,) = adapted(egfr).patient.measurements
    assert (found.value, found.comparator) == (90, ">")


def test_components_of_a_blood_pressure_panel_are_measurements() -> None:
    """The panel gives both pressures, each with the path of its component."""
    found = {one.key: one for one in fixture("depressed_phq9_total").patient.measurements}
    assert found["systolic_bp"].value == 128
    assert found["systolic_bp"].source.path == "component[0].valueQuantity"
    assert found["diastolic_bp"].source.path == "component[1].valueQuantity"


def test_a_local_code_beside_loinc_changes_nothing() -> None:
    """A concept with a flowsheet code and a LOINC code is read by LOINC, whatever their order."""
    local = {"system": "urn:local:flowsheet", "code": "77"}
    loinc = {"system": LOINC, "code": "8867-4"}
    for codings in ([local, loinc], [loinc, local]):
        pulse = observation("hr", "x", valueQuantity=quantity(72, "/min"), code={"coding": codings})
        assert [one.key for one in adapted(pulse).patient.measurements] == ["heart_rate"]


def test_codes_of_two_analytes_in_one_concept_are_refused() -> None:
    """A concept that says sodium and potassium is neither."""
    both = {"coding": [{"system": LOINC, "code": "2951-2"}, {"system": LOINC, "code": "2823-3"}]}
    unclear = observation("x", "x", valueQuantity=quantity(4, "mmol/L"), code=both)
    assert refusals(unclear) == {("sodium", "codes-disagree"), ("potassium", "codes-disagree")}


def test_a_coded_result_is_its_key() -> None:
    """Pregnancy status 60001007 reads not_pregnant."""
    status = observation("p", "82810-3", valueCodeableConcept=concept(SNOMED, "60001007"))
    (found,) = adapted(status).patient.measurements
    assert (found.key, found.value, found.unit) == ("pregnancy_status", "not_pregnant", None)


def test_a_coded_result_outside_the_table_is_refused() -> None:
    """A pregnancy status that no row knows is not read as anything."""
    status = observation("p", "82810-3", valueCodeableConcept=concept(SNOMED, "1"))
    assert refusals(status) == {("pregnancy_status", "value-code-unknown")}


def test_measurements_stand_newest_first() -> None:
    """Of three sodium values the newest stands first, by day and then by time."""
    found = adapted(
        observation("a", "2951-2", "2026-11-01T08:00:00Z", valueQuantity=quantity(138, "mmol/L")),
        observation("b", "2951-2", "2026-11-01T23:30:00+09:00", valueQuantity=quantity(139, "mmol/L")),
        observation("c", "2951-2", None, valueQuantity=quantity(140, "mmol/L")),
        observation("d", "2951-2", "2026-10-01", valueQuantity=quantity(141, "mmol/L")),
    ).patient.measurements
    assert [one.value for one in found] == [139, 138, 141, 140]


def test_a_unit_read_from_text_is_a_repair() -> None:
    """A quantity whose unit is text without a code says so in its repairs."""
    pulse = observation("hr", "8867-4", valueQuantity={"value": 72, "unit": "BEATS PER MINUTE"})
    (found,) = adapted(pulse).patient.measurements
    assert "unit-from-text" in found.source.repairs


def test_a_resource_sent_twice_counts_once() -> None:
    """The same Observation twice gives one measurement."""
    pulse = observation("hr", "8867-4", valueQuantity=quantity(72, "/min"))
    assert len(adapted(pulse, pulse).patient.measurements) == 1
