"""Observations to measurements."""

import dataclasses
import json
from datetime import date

import pytest

from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import load
from tests.fixtures.resources import (
    AS_OF,
    LOINC,
    PATIENT,
    SNOMED,
    UCUM,
    Resource,
    adapted,
    concept,
    fixture,
    observation,
    patient,
    quantity,
)

ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


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
        ({"valueString": "140"}, "unit-missing"),
        ({"valueString": "140 furlong"}, "unit-unknown"),
        ({"valueString": "see comment"}, "value-is-text"),
        ({"valueString": "140 mmol/L (hemolysed, repeat)"}, "unit-unknown"),
        ({"valueString": "Test Not Performed mmol/L"}, "data-absent-not-performed"),
        ({"valueString": "Unknown"}, "data-absent-unknown"),
        ({"valueCodeableConcept": concept(ABSENT, "asked-unknown")}, "data-absent-unknown"),
        ({"valueCodeableConcept": concept(SNOMED, "1")}, "value-type"),
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


@pytest.mark.parametrize(
    ("code", "text", "value", "comparator"),
    [
        ("2951-2", "140 mmol/L", 140, None),
        ("2951-2", "140 mEq/L", 140, None),
        ("3016-3", "< 0.01 uIU/mL", 0.01, "<"),
        ("98979-8", ">90 mL/min/1.73m2", 90, ">"),
        ("8302-2", "5' 10\"", 177.8, None),
        ("29463-7", "11 st 4 lb", 71.67, None),
        ("4548-4", "5,4 %", 5.4, None),
    ],
)
def test_a_number_written_as_text_is_read_and_says_so(
    code: str, text: str, value: float, comparator: str | None
) -> None:
    """A text that is a number with its unit and nothing else is a measurement, as a repair, with the text kept."""
    (found,) = adapted(observation("x", code, valueString=text)).patient.measurements
    assert found.value == pytest.approx(value, abs=0.01)
    assert found.comparator == comparator
    assert "value-from-text" in found.source.repairs
    assert found.source.original is not None
    assert (found.source.original.value, found.source.path) == (text, "valueString")


def test_a_whole_number_is_read_only_where_the_analyte_has_no_unit() -> None:
    """An INR of 2 as an integer is read, a sodium of 140 as an integer is not."""
    found = adapted(observation("i", "6301-6", valueInteger=2), observation("na", "2951-2", valueInteger=140)).patient
    assert [(one.key, one.value) for one in found.measurements] == [("inr", 2)]
    assert ("sodium", "unit-missing") in {(one.key, one.reason) for one in found.refusals}


def test_the_coding_that_named_the_analyte_is_its_original_code() -> None:
    """Beside a local code that sorts before it, the LOINC code is what the source keeps."""
    codings = [{"system": "a:local", "code": "77"}, {"system": LOINC, "code": "8867-4"}]
    (found,) = adapted(
        observation("hr", "x", valueQuantity=quantity(72, "/min"), code={"coding": codings})
    ).patient.measurements
    assert found.source.original is not None
    assert found.source.original.code == f"{LOINC}|8867-4"


TEXT_ONLY = [
    ({"text": "Systolic Blood Pressure"}, "systolic_bp", 120, "mm[Hg]"),
    ({"text": "Body weight:"}, "weight", 70, "kg"),
    ({"text": "Sodium [Moles/volume] in Serum or Plasma"}, "sodium", 140, "mmol/L"),
    ({"text": "Heart rate", "coding": [{"system": "urn:local", "code": "5"}]}, "heart_rate", 70, "/min"),
    ({"text": "Sodium"}, None, 140, "mmol/L"),
    ({"text": "Glucose"}, None, 100, "mg/dL"),
    ({"text": "Body mass index", "coding": [{"system": LOINC, "code": "59574-4"}]}, None, 24, "kg/m2"),
    ({"text": "Body weight", "coding": [{"system": SNOMED, "code": "1"}]}, None, 70, "kg"),
]


@pytest.mark.parametrize(("code", "key", "value", "unit"), TEXT_ONLY)
def test_a_name_alone_is_read_only_where_it_means_one_thing(
    code: Resource, key: str | None, value: float, unit: str
) -> None:
    """A text without a LOINC or SNOMED CT code is an analyte only by a name that is nothing else's."""
    found = adapted(observation("x", "x", code=code, valueQuantity=quantity(value, unit))).patient.measurements
    assert [one.key for one in found] == ([key] if key else [])
    assert all("code-from-text" in one.source.repairs for one in found)


def with_profile(*resources: Resource, **fields: object) -> Adapted:
    """Adapt resources with a profile of these fields over the base."""
    profile = dataclasses.replace(load("base-r4"), **fields)  # type: ignore[arg-type]
    return adapt(json.dumps([patient(), *resources]).encode(), AS_OF, profile)


def test_a_profile_names_an_observation_that_has_only_a_text() -> None:
    """A site that writes Na for serum sodium is read as its profile says."""
    text_only = observation("na", "x", code={"text": "NA."}, valueQuantity=quantity(140, "mmol/L"))
    (found,) = with_profile(text_only, observation_texts={"na": "sodium"}).patient.measurements
    assert found.key == "sodium"


WHEN: list[tuple[Resource, str | None, date | None, str | None, tuple[str, ...]]] = [
    ({"effectiveDateTime": "2026-11-01T23:30:00-05:00"}, None, date(2026, 11, 1), "2026-11-02T04:30:00+00:00", ()),
    ({"effectiveDateTime": "2026-11-01T23:30:00"}, None, date(2026, 11, 1), None, ()),
    (
        {"effectiveDateTime": "2026-11-01T23:30:00"},
        "-05:00",
        date(2026, 11, 1),
        "2026-11-02T04:30:00+00:00",
        ("zone-from-profile",),
    ),
    (
        {"effectiveDateTime": "2026-07-01T23:30"},
        "Europe/Berlin",
        date(2026, 7, 1),
        "2026-07-01T21:30:00+00:00",
        ("zone-from-profile",),
    ),
    ({"effectiveDateTime": "2026-10-25T02:30:00"}, "Europe/Berlin", date(2026, 10, 25), None, ()),
    ({"effectiveDateTime": "2026-11-01T23:30:00Z"}, "-05:00", date(2026, 11, 1), "2026-11-01T23:30:00+00:00", ()),
    ({"effectiveDateTime": "2026-11-01"}, "-05:00", date(2026, 11, 1), None, ()),
    ({"effectiveDateTime": "2026-10"}, None, date(2026, 10, 1), None, ("month-only",)),
    ({"effectiveDateTime": "2026"}, None, date(2026, 1, 1), None, ("year-only",)),
    ({"effectiveInstant": "2026-11-01T10:00:00Z"}, None, date(2026, 11, 1), "2026-11-01T10:00:00+00:00", ()),
    ({"effectivePeriod": {"start": "2026-11-01", "end": "2026-11-03"}}, None, date(2026, 11, 3), None, ()),
    ({"effectivePeriod": {"start": "2026-11-01"}}, None, date(2026, 11, 1), None, ()),
    ({"effectiveTiming": {"event": ["2026-11-01", "2026-11-04"]}}, None, date(2026, 11, 4), None, ()),
    (
        {"effectiveTiming": {"repeat": {"boundsPeriod": {"end": "2026-11-05"}}}},
        None,
        date(2026, 11, 5),
        None,
        (),
    ),
    ({"issued": "2026-11-01T10:00:00Z"}, None, None, None, ()),
    ({"effectiveDateTime": "yesterday"}, None, None, None, ()),
]


@pytest.mark.parametrize(("fields", "zone", "day", "moment", "repairs"), WHEN)
def test_a_day_is_the_day_as_written(
    fields: Resource, zone: str | None, day: date | None, moment: str | None, repairs: tuple[str, ...]
) -> None:
    """The day is the local one as written; a zone is added only where the profile declares one; a month is no day."""
    pulse = observation("hr", "8867-4", None, valueQuantity=quantity(72, "/min"), **fields)
    (found,) = with_profile(pulse, zone=zone).patient.measurements
    assert (found.effective, found.moment, found.source.repairs) == (day, moment, repairs)


def test_the_time_of_issue_counts_only_where_the_profile_says_so() -> None:
    """Without an effective time, issued is the date with the repair allowed and named, and no date without."""
    pulse = observation("hr", "8867-4", None, valueQuantity=quantity(72, "/min"), issued="2026-11-01T10:00:00Z")
    allowed = load("base-r4").repairs | {"date-from-issued"}
    (found,) = with_profile(pulse, repairs=allowed).patient.measurements
    assert (found.effective, found.source.repairs) == (date(2026, 11, 1), ("date-from-issued",))


def sodium(id_: str, value: float, when: str, status: str = "final") -> Resource:
    """A sodium of a time and status."""
    return observation(id_, "2951-2", when, status=status, valueQuantity=quantity(value, "mmol/L"))


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    """Of a final and a corrected sodium of one instant the corrected one stands, and the other is named."""
    noon = "2026-11-01T12:00:00Z"
    found = adapted(sodium("a", 150, noon), sodium("b", 140, noon, "corrected"), sodium("c", 138, "2026-11-01"))
    assert [one.value for one in found.patient.measurements] == [140, 138]
    assert [(one.reference, one.reason) for one in found.patient.refusals] == [("Observation/a", "superseded")]


def test_a_correction_of_an_unknown_instant_takes_no_place() -> None:
    """Two values of a day without times may be two samples: neither is left out."""
    found = adapted(sodium("a", 150, "2026-11-01"), sodium("b", 140, "2026-11-01", "corrected"))
    assert {one.value for one in found.patient.measurements} == {150, 140}


def report(*contained: Resource, **fields: object) -> Resource:
    """A final report of these results."""
    base = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "code": {"text": "Chemistry"},
        "subject": {"reference": PATIENT},
        "effectiveDateTime": "2026-11-10",
        "contained": list(contained),
        "result": [{"reference": f"#{one['id']}"} for one in contained],
    }
    return {**base, **fields}


def test_results_inside_a_report_are_measurements() -> None:
    """A contained Observation is read by its codes, and without a date of its own has the report's."""
    inner = observation("na", "2951-2", None, valueQuantity=quantity(140, "mmol/L"))
    (found,) = adapted(report(inner)).patient.measurements
    assert (found.key, found.value, found.effective) == ("sodium", 140, date(2026, 11, 10))
    assert found.source.reference == "DiagnosticReport/r#na"
    assert "from-report" in found.source.repairs


SOCIAL = [
    ("82810-3", concept(LOINC, "LA15173-0"), "pregnancy_status", "pregnant"),
    ("82810-3", concept(LOINC, "LA26683-5"), "pregnancy_status", "not_pregnant"),
    ("82810-3", {"text": "Not pregnant"}, "pregnancy_status", "not_pregnant"),
    ("63895-7", concept(LOINC, "LA29252-6"), "breastfeeding_status", "breastfeeding"),
    ("63895-7", concept(LOINC, "LA29253-4"), "breastfeeding_status", "not_breastfeeding"),
    ("63895-7", concept(SNOMED, "169750002"), "breastfeeding_status", "breastfeeding"),
    ("72166-2", concept(LOINC, "LA18976-3"), "tobacco_smoking_status", "smoker_daily"),
    ("72166-2", concept(LOINC, "LA18977-1"), "tobacco_smoking_status", "smoker_some_days"),
    ("72166-2", concept(LOINC, "LA15920-4"), "tobacco_smoking_status", "ex_smoker"),
    ("72166-2", concept(LOINC, "LA18978-9"), "tobacco_smoking_status", "never_smoker"),
    ("72166-2", concept(LOINC, "LA18979-7"), "tobacco_smoking_status", "current_smoker"),
    ("72166-2", concept(LOINC, "LA18981-3"), "tobacco_smoking_status", "heavy_smoker"),
    ("72166-2", concept(LOINC, "LA18982-1"), "tobacco_smoking_status", "light_smoker"),
    ("72166-2", {"text": "Former smoker"}, "tobacco_smoking_status", "ex_smoker"),
]


@pytest.mark.parametrize(("code", "answer", "key", "value"), SOCIAL)
def test_social_facts_are_read_by_their_answers(code: str, answer: Resource, key: str, value: str) -> None:
    """Pregnancy, breastfeeding and smoking are read from LOINC answers, SNOMED CT codes and their exact names."""
    (found,) = adapted(observation("s", code, valueCodeableConcept=answer)).patient.measurements
    assert (found.key, found.value) == (key, value)


@pytest.mark.parametrize(
    ("code", "answer", "key", "reason"),
    [
        ("72166-2", concept(LOINC, "LA18980-5"), "tobacco_smoking_status", "data-absent-unknown"),
        ("72166-2", concept(SNOMED, "266927001"), "tobacco_smoking_status", "data-absent-unknown"),
        ("82810-3", concept(LOINC, "LA4489-6"), "pregnancy_status", "data-absent-unknown"),
        ("82810-3", concept("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "ASKU"), "pregnancy_status",
         "data-absent-unknown"),
        ("82810-3", concept(SNOMED, "266919005"), "pregnancy_status", "value-code-unknown"),
        ("72166-2", concept(SNOMED, "77386006"), "tobacco_smoking_status", "value-code-unknown"),
        ("82810-3", {"text": "perhaps"}, "pregnancy_status", "value-is-text"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(code: str, answer: Resource, key: str, reason: str) -> None:
    """Unknown is no answer, and an answer to another question is none to this one."""
    assert refusals(observation("s", code, valueCodeableConcept=answer)) == {(key, reason)}


def test_an_estimate_with_a_race_coefficient_is_refused() -> None:
    """The eGFR among blacks is refused by name, the one beside it without the coefficient is read."""
    unit = "mL/min/{1.73_m2}"
    found = adapted(
        observation("b", "48643-1", valueQuantity=quantity(70, unit)),
        observation("n", "48642-3", valueQuantity=quantity(58, unit)),
    )
    assert [one.value for one in found.patient.measurements] == [58]
    assert [(one.reference, one.reason) for one in found.patient.refusals] == [("Observation/b", "race-coefficient")]
    assert found.features.number("egfr") == 58


def test_a_quantity_in_a_foreign_unit_system_is_read_by_its_text() -> None:
    """A unit code of SNOMED CT is no UCUM: the unit's text is read, as a repair of the unit."""
    value = {"value": 140, "unit": "mmol/L", "system": SNOMED, "code": "258813002"}
    (found,) = adapted(observation("na", "2951-2", valueQuantity=value)).patient.measurements
    assert (found.value, UCUM) == (140, "http://unitsofmeasure.org")


@pytest.mark.parametrize(
    ("loinc", "key", "millimoles", "milligrams"),
    [("35200-5", "cholesterol_total", 5.0, 193.3), ("35217-9", "triglycerides", 2.0, 177.1)],
)
def test_lipids_of_either_property_are_read_by_their_unit(
    loinc: str, key: str, millimoles: float, milligrams: float
) -> None:
    """LOINC's "mass or moles" codes of lipids are read by the unit that stands beside the value, in no other way."""
    (found,) = adapted(observation("l", loinc, valueQuantity=quantity(millimoles, "mmol/L"))).patient.measurements
    assert (found.key, found.unit) == (key, "mg/dL")
    assert found.value == pytest.approx(milligrams, rel=0.002)
    assert (key, "unit-missing") in refusals(observation("l", loinc, valueQuantity={"value": millimoles}))
