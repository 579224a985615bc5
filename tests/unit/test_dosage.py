"""Dosages to milligrams a day: what counts, and why anything else gives no number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import MedicationCourse
from fhir_adapters.medication import sigs, strengths, timings
from fhir_adapters.medication.strengths import Strength
from tests.fixtures.resources import FLUOXETINE, RXNORM, SERTRALINE, SNOMED, UCUM, Resource, adapted, concept, request

GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}
MG = {"value": 50, "unit": "mg", "system": UCUM, "code": "mg"}
TABLET = {"value": 1, "unit": "tablet"}
PUFF = {"value": 1, "unit": "puff"}
PER_KG = {"value": 1, "unit": "mg/kg", "system": UCUM, "code": "mg/kg"}


def dosage(amount: Resource | None, **repeat: object) -> Resource:
    """One dosage of an amount, repeated."""
    given_ = [{"doseQuantity": amount}] if amount else []
    return {"timing": {"repeat": repeat}, "doseAndRate": given_}


def coded(code: str | None = None, text: str | None = None, amount: Resource = MG, **more: object) -> Resource:
    """A dosage whose timing is a code or a text."""
    coding = [{"system": GTS, "code": code}] if code else []
    return {"timing": {"code": {"coding": coding, "text": text}, **more}, "doseAndRate": [{"doseQuantity": amount}]}


def course(*dosages: Resource, drug: Resource = SERTRALINE, **fields: object) -> MedicationCourse:
    """The course of an order with these dosages."""
    (found,) = adapted(request("m", drug, dosageInstruction=list(dosages), **fields)).patient.medications
    return found


NO_STRENGTH = {"text": "sertraline"}
SOLUTION = {"text": "sertraline 20 MG/ML Oral Solution"}


@pytest.mark.parametrize(
    ("drug", "dosages", "expected"),
    [
        # amounts of mass
        (SERTRALINE, [dosage(MG, **DAILY)], 50),
        (SERTRALINE, [dosage(MG, frequency=2, period=1, periodUnit="d")], 100),
        (SERTRALINE, [dosage(MG, frequency=1, period=8, periodUnit="h")], 150),
        (SERTRALINE, [dosage(MG, frequency=1, period=1, periodUnit="wk")], 50 / 7),
        (SERTRALINE, [dosage({"value": 0.05, "unit": "g"}, **DAILY)], 50),
        (SERTRALINE, [dosage({"value": 500, "unit": "mcg"}, **DAILY)], 0.5),
        (SERTRALINE, [dosage({"value": 500, "unit": "microgram", "system": UCUM, "code": "ug"}, **DAILY)], 0.5),
        (SERTRALINE, [dosage({"value": 50, "unit": "milligram", "system": SNOMED, "code": "258684004"}, **DAILY)], 50),
        # pieces and volumes, by the strength in the name
        (SERTRALINE, [dosage({"value": 2, "unit": "tablet"}, **DAILY)], 100),
        (SERTRALINE, [dosage({"value": 0.5, "code": "{tablet}", "system": UCUM}, **DAILY)], 25),
        (SERTRALINE, [dosage({"value": 1, "unit": "TAB", "code": "TAB"}, **DAILY)], 50),
        (FLUOXETINE, [dosage({"value": 2, "unit": "capsule"}, **DAILY)], 40),
        (SOLUTION, [dosage({"value": 2.5, "unit": "mL", "code": "mL"}, **DAILY)], 50),
        (SOLUTION, [dosage(TABLET, **DAILY)], None),
        (NO_STRENGTH, [dosage(TABLET, **DAILY)], None),
        (SERTRALINE, [dosage({"value": 1, "unit": "puff"}, **DAILY)], None),
        (SERTRALINE, [dosage({"value": 1, "unit": "mg/kg", "code": "mg/kg"}, **DAILY)], None),
        # what is no one amount
        (SERTRALINE, [dosage({**MG, "value": -50}, **DAILY)], None),
        (SERTRALINE, [dosage({**MG, "comparator": "<"}, **DAILY)], None),
        (SERTRALINE, [{**dosage(None, **DAILY), "doseAndRate": [{"doseRange": {"low": MG, "high": MG}}]}], None),
        (SERTRALINE, [{**dosage(None, **DAILY), "doseAndRate": [{"doseQuantity": MG}, {"doseQuantity": MG}]}], None),
        # timings
        (SERTRALINE, [dosage(MG, frequency=1, frequencyMax=2, period=1, periodUnit="d")], None),
        (SERTRALINE, [dosage(MG, frequency=1, period=4, periodMax=6, periodUnit="h")], None),
        (SERTRALINE, [dosage(MG)], None),
        (SERTRALINE, [dosage(MG, frequency=1, period=1, periodUnit="mo")], None),
        (SERTRALINE, [dosage(MG, count=1, **DAILY)], None),
        (SERTRALINE, [dosage(MG, frequency=1, period=2, periodUnit="wk")], None),
        (SERTRALINE, [dosage(MG, when=["HS"], **DAILY)], 50),
        (SERTRALINE, [dosage(MG, when=["MORN", "EVE"])], 100),
        (SERTRALINE, [dosage(MG, when=["MORN", "EVE"], frequency=2, period=1, periodUnit="d")], 100),
        (SERTRALINE, [dosage(MG, when=["MORN", "EVE"], **DAILY)], None),
        (SERTRALINE, [dosage(MG, when=["C"])], None),
        (SERTRALINE, [dosage(MG, timeOfDay=["08:00:00", "14:00:00", "20:00:00"])], 150),
        (SERTRALINE, [dosage(MG, dayOfWeek=["mon", "wed", "fri"], **DAILY)], 150 / 7),
        (SERTRALINE, [dosage(MG, dayOfWeek=["mon"], frequency=1, period=1, periodUnit="wk")], 50 / 7),
        (SERTRALINE, [dosage(MG, dayOfWeek=["mon", "wed"], frequency=1, period=1, periodUnit="wk")], None),
        (SERTRALINE, [coded("BID")], 100),
        (SERTRALINE, [coded("Q6H")], 200),
        (SERTRALINE, [coded(text="once daily")], 50),
        (SERTRALINE, [coded(text="EVERY TWELVE HOURS")], 100),
        (SERTRALINE, [coded("BID", text="once daily")], None),
        (SERTRALINE, [coded("BID", repeat=DAILY)], None),
        (SERTRALINE, [coded(text="when the moon is full")], None),
        # several dosages
        (SERTRALINE, [dosage(MG, **DAILY)] * 2, None),
        (SERTRALINE, [dosage(MG, when=["MORN"]), dosage({**MG, "value": 100}, when=["HS"])], 150),
        (SERTRALINE, [{"sequence": 1, **dosage(MG, **DAILY)}, {"sequence": 1, **dosage(MG, **DAILY)}], 100),
        (SERTRALINE, [{"sequence": 1, **dosage(MG, **DAILY)}, {"sequence": 2, **dosage(MG, **DAILY)}], None),
        # words alone
        (SERTRALINE, [{"text": "50 mg daily"}], 50),
        (SERTRALINE, [{"text": "Take 2 tablets by mouth once daily."}], 100),
        (SERTRALINE, [{"text": "Starting Wed, Disp-90, Normal", "patientInstruction": "Take 1 tablet daily."}], 50),
        (SERTRALINE, [{"text": "1 tablet daily", "patientInstruction": "Take 2 tablets daily"}], None),
        (SERTRALINE, [{"text": "1-2 tablets daily"}], None),
        # words beside numbers
        (SERTRALINE, [{"text": "Take 1 tablet daily", **dosage(TABLET, **DAILY)}], 50),
        (SERTRALINE, [{"text": "see leaflet", **dosage(TABLET, **DAILY)}], 50),
        (SERTRALINE, [{"text": "Take 2 tablets daily", **dosage(TABLET, **DAILY)}], None),
        (SERTRALINE, [{"text": "50 mg daily, then 100 mg daily"}], None),
        (SERTRALINE, [{"text": "1 daily"}], None),
        (SERTRALINE, [{"text": "twice daily", **dosage(MG) | {"timing": None}}], 100),
        (SERTRALINE, [], None),
    ],
)  # fmt: skip
def test_a_dose_a_day_is_read_where_it_is_said(drug: Resource, dosages: list[Resource], expected: float | None) -> None:
    """Only one amount that is milligrams, and one rate, make a daily dose."""
    plain = [{name: value for name, value in one.items() if value is not None} for one in dosages]
    found = course(*plain, drug=drug).dose_mg_per_day
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_combination_has_no_dose() -> None:
    """Milligrams of a combination are milligrams of none of its ingredients."""
    both = concept(RXNORM, "1049221", "Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet")
    assert course(dosage(TABLET, **DAILY), drug=both).dose_mg_per_day is None


def test_the_strength_of_a_medication_counts() -> None:
    """Tablets of a Medication that says how much of its one ingredient they hold are milligrams."""
    held = {
        "resourceType": "Medication",
        "id": "x",
        "code": {"text": "sertraline"},
        "ingredient": [
            {
                "itemCodeableConcept": {"text": "sertraline"},
                "strength": {"numerator": {"value": 25, "unit": "mg"}, "denominator": {"value": 1, "unit": "tablet"}},
            }
        ],
    }
    asked = request(
        "m", None, medicationReference={"reference": "Medication/x"}, dosageInstruction=[dosage(TABLET, **DAILY)]
    )
    (found,) = adapted(held, asked).patient.medications
    assert found.dose_mg_per_day == 25


@pytest.mark.parametrize(
    ("fields", "as_needed"),
    [
        ({"asNeededBoolean": True}, True),
        ({"asNeededCodeableConcept": {"text": "for anxiety"}}, True),
        ({"text": "1 tablet prn"}, True),
        ({"timing": {"code": {"text": "EVERY TWELVE HOURS AS NEEDED"}}}, True),
        ({"asNeededBoolean": False, "text": "as needed"}, False),
        ({"text": "1 tablet daily"}, False),
    ],
)
def test_as_needed_is_flagged_and_has_no_dose(fields: Resource, as_needed: bool) -> None:
    """A drug taken as needed is flagged however that is written, and has no daily dose."""
    found = course(fields)
    assert found.as_needed is as_needed
    assert not (as_needed and found.dose_mg_per_day)


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([{"doseQuantity": MG}, {"doseQuantity": PUFF}, {"doseQuantity": MG}], (50, ())),
        ([{"doseQuantity": PER_KG}, {"doseQuantity": MG}], (50, ())),
        ([{"doseQuantity": MG}, {"doseQuantity": {**MG, "value": 100}}], (None, ("dose-several-amounts",))),
        ([{"doseQuantity": MG}, {"doseRange": {"low": MG}}], (None, ("dose-range",))),
        ([{"doseQuantity": PUFF}, {"doseQuantity": PUFF}], (None, ("dose-unit-not-milligrams",))),
        ([{"doseQuantity": MG, "type": None}, {"doseQuantity": MG}], (None, ("dose-several-amounts",))),
    ],
)
def test_a_dose_as_ordered_calculated_and_given_is_one_dose(
    amounts: list[Resource], expected: tuple[float | None, tuple[str, ...]]
) -> None:
    """Amounts of several types are one dose where all that can be read agree, and no dose where they do not."""
    typed = [{"type": {"text": f"kind {place}"}, **one} for place, one in enumerate(amounts)]
    rates = [{name: value for name, value in one.items() if value} for one in typed]
    written = {"timing": {"repeat": DAILY}, "doseAndRate": rates}
    found = adapted(request("m", NO_STRENGTH, dosageInstruction=[written])).patient
    assert found.medications[0].dose_mg_per_day == expected[0]
    assert tuple(one.reason for one in found.refusals) == expected[1]


@pytest.mark.parametrize(
    ("dosages", "why"),
    [
        ([dosage(MG)], "no-timing"),
        ([dosage(MG, frequency=1, frequencyMax=2, period=1, periodUnit="d")], "range"),
        ([dosage(TABLET, **DAILY)], "strength-unknown"),
        ([dosage({"value": 1, "unit": "puff"}, **DAILY)], "unit-not-milligrams"),
        ([dosage({"value": 1}, **DAILY)], "no-unit"),
        ([{"sequence": 1, **dosage(MG, **DAILY)}, {"sequence": 2, **dosage(MG, **DAILY)}], "steps"),
        ([dosage(MG, **DAILY)] * 2, "several-dosages"),
        ([{"text": "taper as directed"}], "text-not-understood"),
        ([coded("BID", repeat=DAILY)], "timing-contradicts"),
    ],
)
def test_why_there_is_no_dose_is_named(dosages: list[Resource], why: str) -> None:
    """A dosage that gives no number is refused by a stable reason."""
    found = adapted(request("m", NO_STRENGTH, dosageInstruction=dosages)).patient
    assert [one.reason for one in found.refusals] == [f"dose-{why}"]


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("sertraline 50 MG Oral Tablet", Strength(50, "unit")),
        ("24 HR venlafaxine 150 MG Extended Release Oral Capsule", Strength(150, "unit")),
        ("levothyroxine 75 micrograms tablets", Strength(0.075, "unit")),
        ("ELIQUIS FTBL 2,5MG", Strength(2.5, "unit")),
        ("Metformin 1g modified release tablets", Strength(1000, "unit")),
        ("Amoxicillin 250mg/5ml Suspension", Strength(50, "mL")),
        ("haloperidol 2 MG/ML Oral Solution", Strength(2, "mL")),
        ("fentanyl 25mcg/hour Patch", None),
        ("Albuterol 0.09 MG/ACTUAT", None),
        ("Co-codamol 30mg/500mg tablets", None),
        ("acetaminophen 325 MG / oxycodone 5 MG Oral Tablet", None),
        ("lithium 1,000 mg", None),
        ("sertraline", None),
    ],
)
def test_a_strength_is_read_from_a_name(text: str, strength: Strength | None) -> None:
    """A name with one strength by the piece or the millilitre gives it; any other gives none."""
    found = strengths.of_text(text)
    assert (found is None) == (strength is None)
    assert found is None or (found.per == strength.per and found.mg == pytest.approx(strength.mg))  # pyright: ignore[reportOptionalMemberAccess]


RATES = {
    "BID": 2, "b.i.d.": 2, "once daily": 1, "Once a day": 1, "twice a day": 2, "3 times daily": 3,
    "three times a day": 3,
    "every 8 hours": 3, "q6h": 4, "EVERY TWELVE HOURS": 2, "at bedtime": 1, "qhs": 1, "every morning": 1,
    "every other day": 0.5, "once a week": 1 / 7, "in the morning and at bedtime": 2, "morning, noon and evening": 3,
    "every 4-6 hours": None, "daily daily": None, "sometimes": None, "in the morning and in the morning": None,
    "every 0 hours": None, "": None, "0 times daily": 0,
}  # fmt: skip


@pytest.mark.parametrize("text", RATES)
def test_words_of_time_are_a_rate_or_nothing(text: str) -> None:
    """A phrase of known words is times a day; a range or an unknown word is nothing."""
    expected = RATES[text]
    assert timings.of_words(text) == (None if expected is None else pytest.approx(expected))


@given(st.text(max_size=60))
def test_no_text_crashes_the_reader_of_dosages(text: str) -> None:
    """Whatever a dosage says, it is an amount above zero or none."""
    found = sigs.read(text)
    assert found is None or found.amount is None or found.amount > 0
