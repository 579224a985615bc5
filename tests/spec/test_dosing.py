"""Doses: what is begun with, the ceiling and who lowered it, and what may not be drafted."""

import pytest

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender import dosing, knowledge, rules
from recommender.assessment import Dose, Reason
from tests.factories import absent, adult, course, diagnosis, patient

K = knowledge.load()
CONSIDERED = [name for name in K.drugs if K.in_class(name, "antidepressant")]


def dosed(drug: str, chart: CanonicalPatient | None = None, vector: FeatureVector | None = None) -> Dose | Reason:
    """Return what dosing says after all rules."""
    facts, values = chart or patient(), vector or adult()
    return dosing.dose(drug, rules.evaluate(drug, facts, values, K), values, K)


def drafted(drug: str, chart: CanonicalPatient | None = None, vector: FeatureVector | None = None) -> Dose:
    """Return a dose that must be there."""
    found = dosed(drug, chart, vector)
    assert isinstance(found, Dose)
    return found


@pytest.mark.parametrize(
    ("drug", "start", "ceiling", "times", "strength", "orderable"),
    [
        ("fluoxetine", 20, 80, 1, 20, "310385"),
        ("sertraline", 50, 200, 1, 50, "312941"),
        ("citalopram", 20, 40, 1, 20, "200371"),
        ("escitalopram", 10, 20, 1, 10, "349332"),
        ("paroxetine", 20, 50, 1, 20, "1738495"),
        ("venlafaxine", 75, 225, 1, 75, "313585"),
        ("desvenlafaxine", 50, 100, 1, 50, "1874559"),
        ("duloxetine", 40, 120, 1, 40, "616402"),
        ("levomilnacipran", 20, 120, 1, 20, "1433227"),
        ("bupropion", 150, 450, 1, 150, "993541"),
        ("mirtazapine", 15, 45, 1, 15, "311725"),
        ("trazodone", 150, 400, 2, 150, "856364"),
        ("vilazodone", 10, 40, 1, 10, "1086772"),
        ("vortioxetine", 10, 20, 1, 10, "1439808"),
    ],
)
def test_first_line_starts_in_what_can_be_dispensed(
    drug: str, start: float, ceiling: float, times: int, strength: float, orderable: str
) -> None:
    """Each first-line drug starts at its label dose, in its own product, with its label ceiling."""
    found = drafted(drug)
    assert (found.start_mg_per_day, found.max_mg_per_day, found.doses_per_day) == (start, ceiling, times)
    assert (found.strength_mg, found.orderable, found.adjusted_by) == (strength, orderable, ())


@pytest.mark.parametrize("drug", CONSIDERED)
def test_a_draft_is_a_whole_number_of_units_below_the_ceiling(drug: str) -> None:
    """Every dose is one, two or half a verified unit each time and never above its ceiling."""
    found = dosed(drug)
    if isinstance(found, Reason):
        assert found.rule.startswith("DRAFT-")
        return
    assert dosing.units_per_dose(found) in (0.5, 1, 2)
    assert found.start_mg_per_day <= found.max_mg_per_day
    assert found.orderable in {one.rxnorm for one in K.orderables[drug]}


@pytest.mark.parametrize(
    ("drug", "rule"),
    [
        ("esketamine", "DRAFT-SCHEDULE"),
        ("zuranolone", "DRAFT-SCHEDULE"),
        ("gepirone", "DRAFT-UNVERIFIED"),
        ("dextromethorphan-bupropion", "DRAFT-UNVERIFIED"),
        ("doxepin", "DRAFT-UNVERIFIED"),
        ("phenelzine", "DRAFT-UNVERIFIED"),
        ("selegiline_transdermal", "DRAFT-ORDERABLE"),
        ("valproate", "DRAFT-DOSE"),
        ("alprazolam", "DRAFT-SCHEDULE"),
        ("aspirin", "DRAFT-FORMULARY"),
    ],
)
def test_what_may_not_be_drafted_says_why(drug: str, rule: str) -> None:
    """Controlled, unverified and undispensable drugs give a reason instead of a dose."""
    found = dosed(drug)
    assert isinstance(found, Reason)
    assert found.rule == rule
    assert not found.blocks


def test_no_controlled_drug_is_ever_drafted() -> None:
    """No drug with a DEA schedule gets a dose, whatever else is verified."""
    scheduled = [name for name, drug in K.drugs.items() if drug.schedule != "none"]
    assert scheduled
    assert not any(isinstance(dosed(name), Dose) for name in scheduled)


def test_an_unverified_row_is_never_drafted() -> None:
    """No drug whose code or dose was not seen on a label gets a dose."""
    for name, drug in K.drugs.items():
        if isinstance(dosed(name), Dose):
            assert (drug.code_verified, drug.dose_verified, drug.basis.verified) == ("yes", "label", True)


@pytest.mark.parametrize(
    ("drug", "vector", "chart", "start", "ceiling", "by"),
    [
        ("citalopram", adult(age=60.0), None, 20, 40, ()),
        ("citalopram", adult(age=61.0), None, 20, 20, ("SR035",)),
        ("citalopram", adult(), patient(course("omeprazole")), 20, 20, ("SR037",)),
        ("escitalopram", adult(age=64.0), None, 10, 20, ()),
        ("escitalopram", adult(age=65.0), None, 10, 10, ("SR054",)),
        ("paroxetine", adult(age=65.0), None, 10, 40, ("SR074",)),
        ("desvenlafaxine", adult(crcl=50.0), None, 50, 50, ("SR096",)),
        ("desvenlafaxine", adult(crcl=29.9), None, 25, 25, ("SR097", "SR096")),
        ("vortioxetine", adult(), patient(course("quinidine")), 10, 10, ("SR130",)),
        ("levomilnacipran", adult(crcl=59.9), None, 20, 80, ("SR103",)),
        ("levomilnacipran", adult(crcl=29.9), None, 20, 40, ("SR104", "SR103")),
        ("venlafaxine", adult(egfr=29.9), None, 75, 112.5, ("SR093",)),
        ("venlafaxine", adult(egfr=30.0), None, 75, 225, ()),
        ("venlafaxine", adult(), patient(diagnosis("cirrhosis")), 75, 112.5, ("SR092",)),
        ("nortriptyline", adult(age=65.0), None, 50, 50, ("FORMULARY",)),
        ("nefazodone", adult(age=65.0), None, 100, 600, ()),
    ],
)
def test_each_adjustment_lowers_the_ceiling_and_is_named(
    drug: str,
    vector: FeatureVector,
    chart: CanonicalPatient | None,
    start: float,
    ceiling: float,
    by: tuple[str, ...],
) -> None:
    """Age, kidney, liver and interaction lower start and ceiling, each named with its rule, lowest first."""
    found = drafted(drug, chart, vector)
    assert (found.start_mg_per_day, found.max_mg_per_day) == (start, ceiling)
    assert tuple(words.partition(":")[0] for words in found.adjusted_by) == by


def test_a_ceiling_below_every_strength_is_not_drafted() -> None:
    """Bupropion in liver impairment graded B or C would need half an extended tablet: no draft."""
    capped = rules.Finding(Reason("SR111", "warning", "graded", "L-BUP", True), 75.0)
    found = dosing.dose("bupropion", [capped], adult(), K)
    assert isinstance(found, Reason)
    assert found.rule == "DRAFT-ORDERABLE"


def test_an_unknown_age_is_dosed_as_old() -> None:
    """Without an age the lower ceiling of later life holds, and says so."""
    found = drafted("citalopram", None, adult(absent("age")))
    assert found.max_mg_per_day == 20
    assert any("age is not known" in words for words in found.adjusted_by)


def test_an_unknown_rule_sets_no_ceiling() -> None:
    """A missing creatinine clearance is asked for and does not lower the ceiling."""
    assert drafted("desvenlafaxine").max_mg_per_day == 100


def test_the_ceiling_is_said_with_the_usual_range() -> None:
    """The titration names the usual range inside the ceiling and the first decision point."""
    text = drafted("citalopram", None, adult(age=70.0)).titration
    assert text == ("Usual 20 mg a day, ceiling 20 mg a day. First decision point at 4 to 6 weeks on an adequate dose.")
