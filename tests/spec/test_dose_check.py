"""The dose of an edited draft, judged by the same limits as the draft itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender.assessment import Dose, Reason
from recommender.catalog import knowledge
from recommender.dose import dosing
from recommender.dose.dose_check import judge_dose
from recommender.safety import rules
from tests.factories import adult, course, patient

K = knowledge.load()
DRAFTED = sorted(name for name in K.drugs if isinstance(dosing.dose(name, (), adult(), K), Dose))
WELL = adult(crcl=95.0, egfr=95.0)
CHARTS = {
    "well": (patient(), WELL),
    "old": (patient(), adult(age=80.0, crcl=55.0)),
    "kidney": (patient(), adult(crcl=25.0, egfr=25.0)),
    "inhibitors": (patient(course("quinidine"), course("omeprazole")), WELL),
}


def judged(
    drug: str,
    mg: float,
    chart: CanonicalPatient | None = None,
    vector: FeatureVector = WELL,
    product: str | None = None,
) -> tuple[Reason, ...]:
    """Return what speaks against a daily dose after all rules."""
    return judge_dose(drug, mg, rules.evaluate(drug, chart or patient(), vector, K), vector, K, product=product)


@pytest.mark.parametrize("drug", DRAFTED)
@pytest.mark.parametrize("name", CHARTS)
def test_what_is_drafted_is_never_objected_to(drug: str, name: str) -> None:
    """The dose of a draft, in its own product, passes the check that an edited dose has to pass."""
    chart, vector = CHARTS[name]
    found = dosing.dose(drug, rules.evaluate(drug, chart, vector, K), vector, K)
    if isinstance(found, Dose):
        assert judged(drug, found.start_mg_per_day, chart, vector, found.orderable) == ()


@pytest.mark.parametrize("drug", DRAFTED)
@pytest.mark.parametrize("name", CHARTS)
def test_the_ceiling_of_the_draft_is_the_ceiling_of_the_check(drug: str, name: str) -> None:
    """Exactly what is above the ceiling of the draft blocks: not the ceiling itself, nor less."""
    chart, vector = CHARTS[name]
    found = dosing.dose(drug, rules.evaluate(drug, chart, vector, K), vector, K)
    if not isinstance(found, Dose):
        return
    for mg, blocks in ((found.max_mg_per_day, False), (found.max_mg_per_day + 0.01, True)):
        assert any(one.blocks for one in judged(drug, mg, chart, vector)) is blocks


def test_a_blocked_dose_says_the_rule_and_the_chart_fact() -> None:
    """An edit above the ceiling names the rule and the value that lowered it."""
    (found, *_) = judged("citalopram", 40, vector=adult(age=70.0))
    assert (found.rule, found.blocks, found.verified) == ("DOSE-CEILING", True, True)
    assert "above 20 mg, the highest for this patient (SR035: Age 70" in found.message


def test_a_first_dose_above_the_usual_start_is_a_caution() -> None:
    """A first dose above the start is shown and does not block; a dose that is kept is not shown."""
    (found,) = judged("sertraline", 100)
    assert (found.rule, found.severity, found.blocks) == ("DOSE-START", "caution", False)
    assert judge_dose("sertraline", 100, (), WELL, K, starting=False) == ()


@pytest.mark.parametrize(
    ("drug", "mg", "product", "blocks"),
    [
        ("sertraline", 25, "312941", False),
        ("sertraline", 75, "312941", False),
        ("sertraline", 60, "312941", True),
        ("venlafaxine", 150, "313585", False),
        ("venlafaxine", 112.5, "313585", True),
        ("trazodone", 150, "856364", False),
        ("sertraline", 50, "0", False),
    ],
)
def test_a_dose_must_be_whole_units_of_the_product(drug: str, mg: float, product: str, blocks: bool) -> None:
    """An edited dose is a number of whole units of its product, or halves of a tablet that may be split."""
    found = judged(drug, mg, product=product)
    assert any(one.rule == "DOSE-UNITS" for one in found) is blocks
    assert any(one.rule == "DOSE-UNKNOWN" for one in found) is (product == "0")


@pytest.mark.parametrize("drug", ["aspirin", "valproate", "dextromethorphan-bupropion"])
def test_an_unknown_ceiling_is_never_a_pass(drug: str) -> None:
    """Where no highest dose is known the answer is unknown, not silence."""
    (found,) = judged(drug, 100)
    assert (found.rule, found.unknown, found.missing is not None) == ("DOSE-UNKNOWN", True, True)


@given(drug=st.sampled_from(DRAFTED), mg=st.one_of(st.floats(), st.floats(0.001, 5000)))
def test_no_amount_crashes_and_more_is_never_safer(drug: str, mg: float) -> None:
    """Any number is answered; what is no amount blocks; and if a dose blocks, so does a higher one."""
    found = judge_dose(drug, mg, (), WELL, K)
    if not 0 < mg < float("inf"):
        assert found[0].rule == "DOSE-VALUE"
        assert found[0].blocks
    elif any(one.blocks for one in found):
        assert any(one.blocks for one in judge_dose(drug, mg * 2, (), WELL, K))
