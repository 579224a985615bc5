"""The canonical feature vector."""

from datetime import date

import pytest

from fhir_adapters.canonical import Feature
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION
from tests.fixtures.resources import (
    AS_OF,
    FLUOXETINE,
    ICD10CM,
    LOINC,
    MDD,
    SERTRALINE,
    SNOMED,
    Resource,
    adapted,
    concept,
    condition,
    fixture,
    observation,
    patient,
    quantity,
    request,
    statement,
)

MMOL = quantity(140, "mmol/L")


def feature(name: str, *resources: Resource, as_of: date = AS_OF, person: Resource | None = None) -> Feature:
    """One feature of a patient with these resources."""
    return adapted(*resources, as_of=as_of, person=person).features.features[name]


def sodium(id_: str, when: str | None, value: float = 140, unit: str | None = "mmol/L", **fields: object) -> Resource:
    """A sodium Observation."""
    return observation(id_, "2951-2", when, valueQuantity=quantity(value, unit), **fields)


def test_the_vector_is_the_schema_in_its_order() -> None:
    """Every feature of the schema is there, in order, present with a source or absent with a reason."""
    found = fixture("depressed_phq9_total").features
    assert tuple(found.features) == tuple(spec.name for spec in FEATURES)
    assert found.schema == SCHEMA_VERSION
    for one in found.features.values():
        assert (one.value is not None) == (one.status == "present")
        assert (one.reason is None) == (one.status == "present")
        assert one.status != "present" or one.source is not None


def test_the_labs_of_the_fixture_are_absent_by_name() -> None:
    """Each unusable laboratory value of labs_unusable.json names why it is not used."""
    found = fixture("labs_unusable").features.features
    names = ("sodium", "creatinine", "magnesium", "heart_rate", "qtc", "alt", "tsh", "egfr", "weight")
    assert {name: (found[name].status, found[name].reason) for name in names} == {
        "sodium": ("refused", "unit-missing"),
        "creatinine": ("refused", "preliminary"),
        "magnesium": ("missing", "data-absent-not-performed"),
        "heart_rate": ("refused", "implausible"),
        "qtc": ("stale", "older-than-365-days"),
        "alt": ("refused", "undated"),
        "tsh": ("refused", "future"),
        "egfr": ("refused", "bound-only"),
        "weight": ("conflicting", "values-disagree"),
    }
    assert found["potassium"].value == 4.4
    assert found["qtc"].effective == date(2019, 1, 1)


@pytest.mark.parametrize(("when", "status"), [("2025-11-22", "present"), ("2025-11-21", "stale")])
def test_the_age_limit_is_met_on_its_last_day(when: str, status: str) -> None:
    """Sodium of exactly 365 days ago is present and of 366 days ago stale."""
    assert feature("sodium", sodium("a", when)).status == status


def test_a_newer_value_that_cannot_be_read_hides_the_older_one() -> None:
    """An older sodium is not used when a newer one has an unknown unit."""
    found = feature("sodium", sodium("old", "2026-10-01"), sodium("new", "2026-11-01", unit="furlong"))
    assert (found.status, found.reason) == ("refused", "unit-unknown")
    assert found.source is not None
    assert found.source.reference == "Observation/new"


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "preliminary"])
def test_a_newer_resource_that_is_no_result_leaves_the_older_value(status: str) -> None:
    """A mistaken, cancelled or preliminary Observation does not replace an older result."""
    found = feature("sodium", sodium("old", "2026-10-01"), sodium("new", "2026-11-01", 130, status=status))
    assert found.value == 140


def test_what_lies_ahead_of_the_day_is_not_known_on_it() -> None:
    """Assessed for an earlier day, a later value does not exist yet."""
    values = (sodium("a", "2026-01-01", 138), sodium("b", "2026-06-01", 131))
    assert feature("sodium", *values, as_of=date(2026, 2, 1)).value == 138
    assert feature("sodium", *values).value == 131


def test_two_values_of_one_time_conflict_and_are_both_named() -> None:
    """Two sodium values of the same day without times are conflicting, with both references."""
    found = feature("sodium", sodium("a", "2026-11-01", 140), sodium("b", "2026-11-01", 131))
    assert (found.status, found.value) == ("conflicting", None)
    assert found.source is not None
    assert {"Observation/a", "Observation/b"} <= set(found.source.path.replace(";", "").split())


def test_two_values_of_one_day_at_different_times_do_not_conflict() -> None:
    """Of two sodium values of one day with times the later counts."""
    times = (sodium("a", "2026-11-01T08:00:00Z", 140), sodium("b", "2026-11-01T12:00:00Z", 136))
    assert feature("sodium", *times).value == 136


def test_one_value_in_two_units_does_not_conflict() -> None:
    """A weight of 70 kg and its 154.3 lb of the same time are one weight; 70 and 70.5 kg are not."""
    kilograms = observation("a", "29463-7", valueQuantity=quantity(70, "kg"))
    pounds = observation("b", "29463-7", valueQuantity=quantity(154.3, "[lb_av]"))
    other = observation("c", "29463-7", valueQuantity=quantity(70.5, "kg"))
    assert feature("weight", kilograms, pounds).status == "present"
    assert feature("weight", kilograms, other).status == "conflicting"


def test_the_preferred_equation_wins_on_one_day() -> None:
    """CKD-EPI 2021 counts beside another equation of its day; a newer day counts whatever its equation."""
    unit = "mL/min/{1.73_m2}"
    preferred = observation("z", "98979-8", "2026-11-01", valueQuantity=quantity(55, unit))
    other = observation("a", "33914-3", "2026-11-01", valueQuantity=quantity(62, unit))
    newer = observation("b", "33914-3", "2026-11-02", valueQuantity=quantity(60, unit))
    assert feature("egfr", preferred, other).value == 55
    assert feature("egfr", preferred, other, newer).value == 60


PREFERRED = [
    ("qtc", "76634-5", "76635-2", 440, 470, "ms"),  # Fridericia, Bazett
    ("qtc", "76634-5", "8636-3", 440, 455, "ms"),  # Fridericia, without a method
    ("glucose", "2345-7", "41653-7", 98, 121, "mg/dL"),  # serum, glucometer
    ("sodium", "2951-2", "2947-0", 139, 141, "mmol/L"),  # serum, blood
    ("weight", "3141-9", "3142-7", 72, 70, "kg"),  # measured, stated
    ("ldl", "18262-6", "13457-7", 110, 130, "mg/dL"),  # direct, calculated
    ("systolic_bp", "8480-6", "96608-5", 128, 135, "mm[Hg]"),  # one reading, a mean
    ("egfr", "98979-8", "48642-3", 55, 62, "mL/min/{1.73_m2}"),
]


@pytest.mark.parametrize(("name", "first", "second", "value", "other", "unit"), PREFERRED)
def test_of_two_methods_of_one_time_the_preferred_counts(
    name: str, first: str, second: str, value: float, other: float, unit: str
) -> None:
    """Beside another method or specimen of its time the preferred code counts; a later other one counts."""
    preferred = observation("z", first, "2026-11-01", valueQuantity=quantity(value, unit))
    second_choice = observation("a", second, "2026-11-01", valueQuantity=quantity(other, unit))
    later = observation("b", second, "2026-11-02", valueQuantity=quantity(other, unit))
    assert feature(name, preferred, second_choice).value == value
    assert feature(name, preferred, later).value == other


def test_two_values_of_the_preferred_code_still_conflict() -> None:
    """Two eGFR by one equation at one time are a conflict, whatever else stands beside them."""
    unit = "mL/min/{1.73_m2}"
    found = feature(
        "egfr",
        observation("a", "98979-8", "2026-11-01", valueQuantity=quantity(55, unit)),
        observation("b", "98979-8", "2026-11-01", valueQuantity=quantity(75, unit)),
        observation("c", "33914-3", "2026-11-01", valueQuantity=quantity(55, unit)),
    )
    assert found.status == "conflicting"


def test_codes_of_one_value_in_two_units_must_agree() -> None:
    """Creatinine by mass and by substance of one time is one value, or a conflict: neither code is preferred."""
    mass = observation("a", "2160-0", "2026-11-01", valueQuantity=quantity(1.0, "mg/dL"))
    same = observation("b", "14682-9", "2026-11-01", valueQuantity=quantity(88.4, "umol/L"))
    other = observation("b", "14682-9", "2026-11-01", valueQuantity=quantity(150, "umol/L"))
    assert feature("creatinine", mass, same).value == 1.0
    assert feature("creatinine", mass, other).status == "conflicting"


@pytest.mark.parametrize(
    ("others", "status", "reason"),
    [
        ((), "present", None),
        ((("b", "2026-10-31", 140),), "present", None),
        ((("b", "2026-11-05", 140),), "present", None),
        ((("b", "2026-11-05", 131),), "conflicting", "order-unknown"),
        ((("b", "2026-12-05", 131),), "present", None),
    ],
)
def test_a_month_may_be_any_of_its_days(
    others: tuple[tuple[str, str, float], ...], status: str, reason: str | None
) -> None:
    """A sodium of November and another of a day in November must agree, because either may be the newer one."""
    found = feature("sodium", sodium("a", "2026-11", 140), *(sodium(*one) for one in others))
    assert (found.status, found.reason) == (status, reason)
    if reason and found.source:
        assert "Observation/a" in found.source.path


def test_a_year_is_stale_by_its_first_day() -> None:
    """A sodium of 2025 may be of its first of January, and is stale for that."""
    assert feature("sodium", sodium("a", "2025")).status == "stale"


def test_a_missing_list_and_a_missing_value_are_told_apart() -> None:
    """Without Observations the reason is the list; with others it is that this one is not recorded."""
    assert feature("sodium").reason == "observations-not-supplied"
    assert feature("potassium", sodium("a", "2026-11-01")).reason == "not-recorded"


@pytest.mark.parametrize(
    ("born", "value", "reason"),
    [
        ("1984-11-22", 42, None),
        ("1984-11-23", 41, None),
        ("2008-11-22", 18, None),
        ("1984", None, "date-not-exact"),
        ("1984-12", 41, None),
        ("1984-11", None, "date-not-exact"),
        ("long ago", None, "date-unreadable"),
        ("2027-01-01", None, "future"),
    ],
)
def test_age_is_whole_years_or_not_known(born: str, value: float | None, reason: str | None) -> None:
    """Age turns on the birthday; a partial birth date counts only when every day of it gives the same age."""
    found = feature("age", person=patient(birthDate=born))
    assert (found.value, found.reason) == (value, reason)


@pytest.mark.parametrize(
    ("gender", "status", "value"),
    [
        ("female", "present", "female"),
        ("male", "present", "male"),
        ("other", "present", "other"),
        ("unknown", "missing", None),
        ("M", "refused", None),
    ],
)
def test_sex_is_a_code_of_the_standard(gender: str, status: str, value: str | None) -> None:
    """Only R4's codes are read; anything else is not guessed."""
    found = feature("sex", person=patient(gender=gender))
    assert (found.status, found.value) == (status, value)


BODY = (
    observation("w", "29463-7", "2026-11-01", valueQuantity=quantity(72, "kg")),
    observation("h", "8302-2", "2020-01-01", valueQuantity=quantity(170, "cm")),
    observation("cr", "2160-0", "2026-11-05", valueQuantity=quantity(1.0, "mg/dL")),
)


def test_bmi_is_computed_where_none_is_recorded() -> None:
    """72 kg at 170 cm is 24.9, with both inputs named; a recorded index wins."""
    found = feature("bmi", *BODY)
    assert found.value == 24.9
    assert found.source is not None
    assert found.source.rule == "features.bmi"
    assert "Observation/w" in found.source.path
    assert "Observation/h" in found.source.path
    recorded = observation("b", "39156-5", "2026-11-01", valueQuantity=quantity(26, "kg/m2"))
    assert feature("bmi", *BODY, recorded).value == 26


def test_a_height_of_childhood_makes_no_index() -> None:
    """An adult's index is not computed with the height of a child."""
    child = observation("h", "8302-2", "1995-01-01", valueQuantity=quantity(140, "cm"))
    assert feature("bmi", BODY[0], child).status == "missing"


@pytest.mark.parametrize(
    ("person", "value"),
    [
        (patient(gender="male", birthDate="1986-01-01"), 100.0),  # (140-40)*72/(72*1.0)
        (patient(gender="female", birthDate="1986-01-01"), 85.0),
        (patient(gender="male", birthDate="1926-01-01"), 40.0),
    ],
)
def test_creatinine_clearance_is_cockcroft_gaults(person: Resource, value: float) -> None:
    """(140 - age) times weight over 72 times creatinine, times 0.85 for women."""
    found = feature("crcl", *BODY, person=person)
    assert found.value == value
    assert found.source is not None
    for part in ("Observation/cr", "Observation/w", "Patient/p1 birthDate", "Patient/p1 gender"):
        assert part in found.source.path


@pytest.mark.parametrize(
    ("resources", "person", "reason"),
    [
        (BODY[:2], patient(), "creatinine-missing"),
        (BODY[1:], patient(), "weight-missing"),
        (BODY, patient(birthDate="1984"), "age-refused"),
        (BODY, patient(gender="unknown"), "sex-missing"),
        (BODY, patient(gender="other"), "sex-other"),
        (BODY, patient(birthDate="2010-01-01"), "not-an-adult"),
    ],
)
def test_creatinine_clearance_names_its_missing_input(
    resources: tuple[Resource, ...], person: Resource, reason: str
) -> None:
    """Without one of its inputs the clearance is missing by the input's name."""
    found = feature("crcl", *resources, person=person)
    assert (found.status, found.reason) == ("missing", reason)


NOT_PREGNANT = observation("p", "82810-3", "2026-11-01", valueCodeableConcept=concept(SNOMED, "60001007"))
PREGNANCY = condition("preg", concept(SNOMED, "77386006"), onsetDateTime="2026-09-01")


@pytest.mark.parametrize(
    ("resources", "status", "value"),
    [
        ((NOT_PREGNANT,), "present", "not_pregnant"),
        ((PREGNANCY,), "present", "pregnant"),
        ((PREGNANCY, NOT_PREGNANT), "conflicting", None),
        ((condition("preg", concept(SNOMED, "77386006"), onsetDateTime="2025-01-01"),), "missing", None),
        ((condition("preg", concept(SNOMED, "77386006"), "resolved"),), "missing", None),
        ((condition("preg", concept(SNOMED, "77386006")),), "present", "pregnant"),
        ((), "missing", None),
    ],
)
def test_pregnancy_from_status_and_condition(resources: tuple[Resource, ...], status: str, value: str | None) -> None:
    """The coded status and an active pregnancy both count, and where they disagree neither does."""
    found = feature("pregnancy_status", *resources)
    assert (found.status, found.value) == (status, value)


def test_pregnancy_does_not_apply_to_men() -> None:
    """For a man the feature is missing as not applicable, whatever is recorded."""
    found = feature("pregnancy_status", NOT_PREGNANT, person=patient(gender="male"))
    assert (found.status, found.reason) == ("missing", "not-applicable")


BREASTFEEDING = condition("milk", concept(SNOMED, "169750002"), onsetDateTime="2026-09-01")
NOT_BREASTFEEDING = observation("n", "63895-7", "2026-11-01", valueCodeableConcept=concept(LOINC, "LA29253-4"))
STILL = observation("y", "63895-7", "2026-11-01", valueCodeableConcept=concept(LOINC, "LA29252-6"))
UNSURE = {"verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "provisional")}


@pytest.mark.parametrize(
    ("resources", "status", "value"),
    [
        ((NOT_BREASTFEEDING,), "present", "not_breastfeeding"),
        ((STILL,), "present", "breastfeeding"),
        ((BREASTFEEDING,), "present", "breastfeeding"),
        ((BREASTFEEDING, STILL), "present", "breastfeeding"),
        ((BREASTFEEDING, NOT_BREASTFEEDING), "conflicting", None),
        (({**BREASTFEEDING, "onsetDateTime": "2024-01-01"},), "missing", None),
        (({**BREASTFEEDING, **UNSURE},), "missing", None),
        (({**BREASTFEEDING, **UNSURE}, NOT_BREASTFEEDING), "present", "not_breastfeeding"),
        ((), "missing", None),
    ],
)
def test_breastfeeding_from_status_and_condition(
    resources: tuple[Resource, ...], status: str, value: str | None
) -> None:
    """The coded status and an active Condition both count, and where they disagree neither does."""
    found = feature("breastfeeding_status", *resources)
    assert (found.status, found.value) == (status, value)
    assert feature("breastfeeding_status", *resources, person=patient(gender="male")).reason == "not-applicable"


def test_flags_are_false_only_on_a_whole_problem_list() -> None:
    """Without Conditions a flag is missing, on a whole list it is false; a found problem is true on any."""
    hole = condition("hole", {})
    assert feature("ptsd").reason == "conditions-not-supplied"
    assert feature("ptsd", MDD).value is False
    assert feature("ptsd", MDD, hole).reason == "conditions-partial"
    assert feature("depression", MDD, hole).value is True


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("depression", concept(ICD10CM, "F32.A")),
        ("depression", concept("http://hl7.org/fhir/sid/icd-10", "F32.9")),
        ("depression", concept(SNOMED, "35489007")),
        ("depression", concept(SNOMED, "58703003")),
        ("depression", concept(SNOMED, "231504006")),
        ("anxiety_disorder", concept(SNOMED, "231504006")),
        ("anxiety_disorder", concept(ICD10CM, "F41.9")),
        ("anxiety_disorder", concept(SNOMED, "197480006")),
        ("substance_use", concept(SNOMED, "361055000")),
    ],
)
def test_a_problem_whose_kind_is_not_said_makes_its_flag_neither_true_nor_false(name: str, code: Resource) -> None:
    """An unspecified depression, anxiety or substance problem is missing as such; once it is over the flag is false."""
    found = feature(name, condition("c", code))
    assert (found.status, found.reason) == ("missing", "kind-not-specified")
    assert found.source is not None
    assert found.source.reference == "Condition/c"
    assert feature(name, condition("c", code, "resolved")).value is False


def test_a_specified_problem_is_true_beside_an_unspecified_one() -> None:
    """Major depression beside "depression, unspecified" is a depression; a phobia is no unspecified anxiety."""
    assert feature("depression", MDD, condition("c", concept(ICD10CM, "F32.A"))).value is True
    assert feature("anxiety_disorder", condition("c", concept(ICD10CM, "F40.218"))).value is False


@pytest.mark.parametrize(
    ("fields", "status", "value"),
    [
        ({"onsetDateTime": "2024-11-20"}, "present", True),
        ({"onsetDateTime": "2025-01-01"}, "present", False),
        ({"onsetDateTime": "2024"}, "missing", None),
        ({"onsetDateTime": "2022"}, "present", True),
        ({}, "missing", None),
    ],
)
def test_depression_is_chronic_after_two_years(fields: Resource, status: str, value: bool | None) -> None:
    """Two years since an exact onset is chronic; an onset that may be either is missing."""
    found = feature("chronic_depression", {**MDD, **fields})
    assert (found.status, found.value) == (status, value)


def test_dysthymia_is_chronic_by_itself() -> None:
    """An active dysthymia is chronic depression whatever its onset."""
    assert feature("chronic_depression", condition("d", concept(ICD10CM, "F34.1"))).value is True


def ended(id_: str, drug: Resource, start: str | None, end: str | None) -> Resource:
    """A completed course."""
    period = {name: day for name, day in (("start", start), ("end", end)) if day}
    return statement(id_, drug, status="completed", effectivePeriod=period)


@pytest.mark.parametrize(
    ("resources", "value", "reason"),
    [
        ((), None, "medications-not-supplied"),
        ((request("a", SERTRALINE),), 0, None),
        ((ended("a", SERTRALINE, "2025-01-01", "2025-01-29"),), 1, None),
        ((ended("a", SERTRALINE, "2025-01-01", "2025-01-28"),), 0, None),
        (
            (
                ended("a", SERTRALINE, "2024-01-01", "2024-06-01"),
                ended("b", SERTRALINE, "2025-01-01", "2025-06-01"),
            ),
            1,
            None,
        ),
        (
            (
                ended("a", SERTRALINE, "2024-01-01", "2024-06-01"),
                ended("b", FLUOXETINE, "2025-01-01", "2025-06-01"),
            ),
            2,
            None,
        ),
        ((ended("a", SERTRALINE, "2024-01-01", "2024-06-01"), request("b", SERTRALINE)), 0, None),
        ((ended("a", SERTRALINE, "2024-01-01", None),), None, "stopped-course-without-dates"),
        ((ended("a", {}, "2024-01-01", "2025-01-01"),), None, "stopped-drug-unresolved"),
        ((ended("a", {"text": "Herbal calm"}, "2024-01-01", "2025-01-01"),), 0, None),
        (
            (ended("a", {"text": "sertraline or such"}, "2024-01-01", "2025-01-01"),),
            None,
            "stopped-drug-unresolved",
        ),
    ],
)
def test_earlier_trials_are_counted_or_missing(
    resources: tuple[Resource, ...], value: float | None, reason: str | None
) -> None:
    """A trial is four weeks or more of a drug that is no longer taken; doubt makes the count missing."""
    found = feature("antidepressant_trials", *resources)
    assert (found.value, found.reason) == (value, reason)


def bounded(id_: str, drug: Resource, start: str, end: str) -> Resource:
    """A statement that is active, and has an end."""
    return statement(id_, drug, effectivePeriod={"start": start, "end": end})


@pytest.mark.parametrize(
    ("resources", "value", "reason"),
    [
        ((request("a", SERTRALINE, authoredOn="2026-11-12"),), 10, None),
        (
            (
                request("a", SERTRALINE, authoredOn="2026-01-01"),
                request("b", FLUOXETINE, authoredOn="2026-11-12"),
            ),
            10,
            None,
        ),
        ((request("a", {"text": "Herbal calm"}),), None, "no active antidepressant"),
        ((statement("a", SERTRALINE),), None, "start-unknown"),
        ((request("a", SERTRALINE, authoredOn="2026"),), None, "start-not-exact"),
        ((request("a", SERTRALINE, authoredOn="2027-01-01"),), None, "future"),
        ((bounded("a", SERTRALINE, "2020-01-01", "2020-03-01"),), None, "active-past-its-end"),
        ((bounded("a", SERTRALINE, "2026-11-12", "2026-12-12"),), 10, None),
        (
            (
                request("a", SERTRALINE, authoredOn="2020-01-01", reportedBoolean=True),
                bounded("b", SERTRALINE, "2020-01-01", "2020-03-01"),
            ),
            None,
            "active-past-its-end",
        ),
        (
            (
                request("a", SERTRALINE, authoredOn="2026-11-12"),
                bounded("b", SERTRALINE, "2020-01-01", "2020-03-01"),
            ),
            10,
            None,
        ),
        (
            (
                request("a", FLUOXETINE, authoredOn="2026-11-12"),
                bounded("b", SERTRALINE, "2020-01-01", "2020-03-01"),
            ),
            10,
            None,
        ),
        ((request("a", {"text": "sertraline or such"}),), None, "active-drug-unresolved"),
        ((request("a", {}),), None, "active-drug-unresolved"),
    ],
)
def test_days_on_the_present_antidepressant(
    resources: tuple[Resource, ...], value: float | None, reason: str | None
) -> None:
    """Days run from the exact start of the antidepressant started last; what is past its end does not go on."""
    found = feature("antidepressant_days", *resources)
    assert (found.value, found.reason) == (value, reason)


def test_drugs_are_counted_one_an_ingredient() -> None:
    """Two orders of one drug, one of another and an unresolved one are three; ended ones do not count."""
    found = feature(
        "medication_count",
        request("a", SERTRALINE),
        statement("b", SERTRALINE, status="intended"),
        request("c", FLUOXETINE),
        request("d", {"text": "Herbal calm"}),
        ended("e", concept("x", "1", "something else"), "2020-01-01", "2021-01-01"),
    )
    assert found.value == 3


def test_a_course_of_unknown_status_matters_only_for_a_drug_that_is_not_counted() -> None:
    """Beside an order of sertraline, sertraline of unknown status changes no count, and fluoxetine makes it missing."""
    order = request("a", SERTRALINE)
    assert feature("medication_count", order, statement("b", SERTRALINE, status="unknown")).value == 1
    found = feature("medication_count", order, statement("b", FLUOXETINE, status="unknown"))
    assert (found.status, found.reason) == ("missing", "medication-status-unknown")


def pressures(id_: str, when: str, systolic: float, diastolic: float) -> Resource:
    """A blood pressure of two components."""
    values = {"8480-6": systolic, "8462-4": diastolic}
    parts = [{"code": concept(LOINC, code), "valueQuantity": quantity(one, "mm[Hg]")} for code, one in values.items()]
    return observation(id_, "85354-9", when, component=parts)


@pytest.mark.parametrize(
    ("systolic", "diastolic", "status"), [(120, 80, "present"), (80, 120, "refused"), (90, 90, "refused")]
)
def test_pressures_of_one_reading_that_cannot_be_are_both_refused(
    systolic: float, diastolic: float, status: str
) -> None:
    """A systolic pressure that is not above the diastolic one of its reading is implausible, and so is the other."""
    vector = adapted(pressures("bp", "2026-11-10", systolic, diastolic)).features.features
    for name in ("systolic_bp", "diastolic_bp"):
        assert vector[name].status == status
        assert vector[name].reason == ("implausible" if status == "refused" else None)


def test_pressures_of_two_readings_are_not_held_against_each_other() -> None:
    """A lone systolic pressure below another reading's diastolic one stays."""
    lone = observation("s", "8480-6", "2026-11-11", valueQuantity=quantity(80, "mm[Hg]"))
    assert feature("systolic_bp", pressures("bp", "2026-11-10", 150, 90), lone).value == 80


def test_the_total_before_the_latest_is_of_an_earlier_day() -> None:
    """The previous total skips others of the latest day and names the latest."""
    found = feature(
        "phq9_previous",
        observation("a", "44261-6", "2026-11-10T09:00:00Z", valueInteger=16),
        observation("b", "44261-6", "2026-11-10T08:00:00Z", valueInteger=15),
        observation("c", "44261-6", "2026-09-01", valueInteger=20),
    )
    assert found.value == 20
    assert found.source is not None
    assert "Observation/a" in found.source.path


def test_smoking_and_scales_are_read_under_their_own_keys() -> None:
    """Smoking status, GAD-7 and AUDIT-C totals reach their features."""
    found = adapted(
        observation("s", "72166-2", valueCodeableConcept=concept(SNOMED, "266919005")),
        observation("g", "70274-6", valueInteger=12),
        observation("u", "75626-2", valueInteger=3),
    ).features
    assert found.text("smoking_status") == "never_smoker"
    assert (found.number("gad7_total"), found.number("audit_c_total")) == (12, 3)
