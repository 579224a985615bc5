"""Doses: what is begun with, the ceiling and who lowered it, and what may not be drafted. Generated from the tables."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender.assessment import Dose, Reason
from recommender.catalog import knowledge
from recommender.dose import dispensing, dose_limits, dosing
from recommender.safety import rules
from recommender.safety.findings import DoseChange, Finding
from tests.factories import absent, adult, course, days_ago, diagnosis, feature, patient

K = knowledge.load()
EVERY = sorted(K.drugs)


def dosed(
    drug: str, chart: CanonicalPatient | None = None, vector: FeatureVector | None = None, indication: str | None = None
) -> Dose | Reason:
    """Return what dosing says after all rules."""
    facts, values = chart or patient(), vector or adult()
    return dosing.dose(drug, rules.evaluate(drug, facts, values, K), values, K, indication)


def drafted(
    drug: str, chart: CanonicalPatient | None = None, vector: FeatureVector | None = None, indication: str | None = None
) -> Dose:
    """Return a dose that must be there."""
    found = dosed(drug, chart, vector, indication)
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


def whole(found: Dose, drug: str) -> None:
    """Assert what every draft must be: orderable, splittable where halved, and not above its ceiling."""
    product = next(one for one in K.orderables[drug] if one.rxnorm == found.orderable)
    units = dosing.units_per_dose(found)
    assert units in (1, 2, 3) or (units == 0.5 and (product.form, product.release) == ("tablet", "immediate"))
    assert 0 < found.start_mg_per_day <= found.max_mg_per_day
    assert product.basis.verified
    assert (product.strength_mg, product.form) == (found.strength_mg, found.form)


CHARTS: Sequence[tuple[str, CanonicalPatient, FeatureVector]] = (
    ("well", patient(), adult()),
    ("old", patient(), adult(age=82.0)),
    ("age unknown", patient(), adult(absent("age"))),
    ("kidney", patient(), adult(crcl=25.0, egfr=25.0)),
    ("liver", patient(diagnosis("cirrhosis")), adult(bilirubin_total=4.0, albumin=2.5, inr=2.5)),
    ("inhibitors", patient(course("quinidine"), course("ketoconazole"), course("omeprazole")), adult()),
    ("nothing known", patient(lists=dict.fromkeys(("conditions", "medications"), "not-supplied")), adult()),
)


@pytest.mark.parametrize("drug", EVERY)
@pytest.mark.parametrize(("chart", "vector"), [one[1:] for one in CHARTS], ids=[one[0] for one in CHARTS])
def test_every_formulary_row_gives_an_orderable_dose_or_a_named_reason(
    drug: str, chart: CanonicalPatient, vector: FeatureVector
) -> None:
    """Whoever the patient is, every drug has a dose that can be dispensed or a reason in words why not."""
    found = dosed(drug, chart, vector)
    if isinstance(found, Dose):
        whole(found, drug)
        return
    assert found.rule in {"DRAFT-SCHEDULE", "DRAFT-UNVERIFIED", "DRAFT-DOSE", "DRAFT-ORDERABLE", "DRAFT-INTERVAL"}
    assert found.message.endswith(".")
    assert "_" not in found.message
    assert not found.blocks


@pytest.mark.parametrize(
    ("drug", "rule"),
    [
        ("esketamine", "DRAFT-SCHEDULE"),
        ("zuranolone", "DRAFT-SCHEDULE"),
        ("gepirone", "DRAFT-UNVERIFIED"),
        ("dextromethorphan-bupropion", "DRAFT-UNVERIFIED"),
        ("doxepin", "DRAFT-UNVERIFIED"),
        ("selegiline_transdermal", "DRAFT-ORDERABLE"),
        ("alprazolam", "DRAFT-SCHEDULE"),
        ("aspirin", "DRAFT-FORMULARY"),
    ],
)
def test_what_may_not_be_drafted_says_why(drug: str, rule: str) -> None:
    """Controlled, unverified and undispensable drugs give a reason instead of a dose."""
    found = dosed(drug)
    assert isinstance(found, Reason)
    assert (found.rule, found.blocks) == (rule, False)


@pytest.mark.parametrize("drug", EVERY)
def test_a_controlled_or_unverified_drug_is_never_drafted(drug: str) -> None:
    """No drug with a DEA schedule, and none whose code or dose was not seen on a label, gets a dose."""
    row = K.drugs[drug]
    if isinstance(dosed(drug), Dose):
        assert (row.schedule, row.code_verified, row.dose_verified, row.basis.verified) == (
            "none",
            "yes",
            "label",
            True,
        )


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
        ("vortioxetine", adult(), patient(course("quinidine")), 5, 10, ("SR130",)),
        ("vortioxetine", adult(age=65.0), None, 5, 20, ("DR008",)),
        ("levomilnacipran", adult(crcl=59.9), None, 20, 80, ("SR103",)),
        ("levomilnacipran", adult(crcl=29.9), None, 20, 40, ("SR104", "SR103")),
        ("venlafaxine", adult(egfr=29.9), None, 37.5, 112.5, ("SR093",)),
        ("venlafaxine", adult(egfr=30.0), None, 75, 225, ()),
        ("venlafaxine", adult(crcl=70.0), None, 37.5, 168.75, ("DR001", "STRENGTHS")),
        ("venlafaxine", adult(), patient(diagnosis("cirrhosis")), 37.5, 112.5, ("SR092",)),
        ("nortriptyline", adult(age=65.0), None, 10, 50, ("FORMULARY", "FORMULARY")),
        ("nefazodone", adult(age=65.0), None, 100, 600, ("FORMULARY",)),
        ("trazodone", adult(age=66.0), None, 50, 200, ("DR009", "STRENGTHS")),
        ("risperidone", adult(crcl=29.9), None, 1, 16, ("SR239",)),
        ("lurasidone", adult(crcl=49.9), None, 20, 80, ("SR250",)),
        ("sertraline", adult(), patient(diagnosis("liver_disease")), 25, 100, ("DR002",)),
    ],
)
def test_each_adjustment_lowers_the_dose_and_is_named(
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


def test_an_adjustment_names_the_chart_fact() -> None:
    """What lowers a dose says the value and its day."""
    found = drafted("desvenlafaxine", None, adult(feature("crcl", 45.0, days_ago(10))))
    words = "SR096: Creatinine clearance 45 mL/min on 2026-11-12: the ceiling for desvenlafaxine is 50 mg a day."
    assert found.adjusted_by == (words,)


def test_reductions_are_not_multiplied_and_the_strictest_counts() -> None:
    """Old age, a failing kidney and an inhibitor each say their dose, and the lowest of them holds."""
    found = drafted("venlafaxine", patient(diagnosis("cirrhosis")), adult(egfr=20.0, crcl=20.0))
    assert (found.start_mg_per_day, found.max_mg_per_day) == (37.5, 112.5)
    assert [words.partition(":")[0] for words in found.adjusted_by] == ["SR092", "SR093", "DR001", "STRICTEST"]


@given(
    caps=st.lists(st.sampled_from([12.5, 25.0, 50.0, 99.0, 112.5, 150.0, 900.0]), max_size=4), part=st.floats(0.1, 1)
)
def test_more_findings_never_raise_a_dose(caps: list[float], part: float) -> None:
    """Whatever ceilings and parts are added, start and ceiling only fall, and the start stays below the ceiling."""
    made = [Finding(Reason(f"X{at}", "warning", "limited.", "K", True), cap) for at, cap in enumerate(caps)]
    change = Finding(Reason("GENE", "warning", "less.", "K", True), None, DoseChange(part, "all", "GENE: less."))
    doses = [dosing.dose("sertraline", made[:count], adult(), K) for count in range(len(made) + 1)]
    doses.append(dosing.dose("sertraline", [*made, change], adult(), K))
    given = [one for one in doses if isinstance(one, Dose)]
    for one in given:
        whole(one, "sertraline")
    for before, after in pairwise(given):
        assert after.max_mg_per_day <= before.max_mg_per_day
        assert after.start_mg_per_day <= before.start_mg_per_day


def test_a_ceiling_below_every_strength_is_not_drafted() -> None:
    """A ceiling of half an extended tablet gives no draft."""
    capped = Finding(Reason("SR111", "warning", "graded", "L-BUP", True), 75.0)
    found = dosing.dose("bupropion", [capped], adult(), K)
    assert isinstance(found, Reason)
    assert found.rule == "DRAFT-ORDERABLE"


@pytest.mark.parametrize(
    ("drug", "chart", "words"),
    [
        ("bupropion", CHARTS[4][1], "150 mg every other day"),
        ("lamotrigine", patient(course("valproate")), "25 mg every other day"),
    ],
)
def test_what_is_not_given_daily_is_left_to_the_pharmacist(drug: str, chart: CanonicalPatient, words: str) -> None:
    """A source that wants a dose on other days than every one leaves no draft, and says which."""
    found = dosed(drug, chart, CHARTS[4][2])
    assert isinstance(found, Reason)
    assert found.rule == "DRAFT-INTERVAL"
    assert words in found.message
    assert "pharmacist" in found.message


@pytest.mark.parametrize(
    ("drug", "rule", "words"),
    [
        ("amitriptyline", "DRAFT-INTERVAL", "10 mg three times a day and 20 mg at bedtime"),
        ("clomipramine", "DRAFT-ORDERABLE", "10 mg a day to begin with"),
    ],
)
def test_a_tricyclic_whose_start_in_old_age_is_no_single_capsule_is_not_drafted(
    drug: str, rule: str, words: str
) -> None:
    """From 65 amitriptyline and clomipramine give no draft and name the start of the source; at 64 both do."""
    old = dosed(drug, patient(), adult(age=65.0))
    assert isinstance(old, Reason)
    assert old.rule == rule
    assert words in old.message
    assert isinstance(dosed(drug, patient(), adult(age=64.0)), Dose)


@pytest.mark.parametrize("key", sorted(K.doses.indications), ids="-".join)
def test_a_dose_of_an_indication_never_raises_the_ceiling(key: tuple[str, str]) -> None:
    """Doses of an indication keep the formulary's ceiling or a lower one, and start where their row says."""
    drug, indication = key
    own, row = K.doses.indications[key], dose_limits.row_of(drug, indication, K)
    assert row is not None
    assert (row.max_mg or 0) <= (K.drugs[drug].max_mg or 0)
    found = dosed(drug, indication=indication)
    if isinstance(found, Dose):
        assert found.start_mg_per_day <= (own.start_mg or row.start_mg or 0)


def test_an_indication_has_its_own_start() -> None:
    """Sertraline begins at 25 mg in panic disorder and at 50 mg without a word on what it is for."""
    assert drafted("sertraline", indication="panic").start_mg_per_day == 25
    assert drafted("sertraline").start_mg_per_day == 50
    assert drafted("venlafaxine", indication="sad").max_mg_per_day == 75


@pytest.mark.parametrize(
    ("drug", "vector", "text"),
    [
        (
            "citalopram",
            adult(age=70.0),
            "The start is the ceiling: no increase. Usual 20 mg a day, ceiling 20 mg a day.",
        ),
        (
            "sertraline",
            adult(),
            "Increase by at most 50 mg, at least 7 days apart. Usual 50 to 200 mg a day, ceiling 200 mg a day.",
        ),
        (
            "vilazodone",
            adult(),
            "Increase to 20 mg a day after at least 7 days, then by at most 20 mg, at least 7 days apart. "
            "Usual 20 to 40 mg a day, ceiling 40 mg a day.",
        ),
        (
            "venlafaxine",
            adult(crcl=70.0),
            "Increase by at most 75 mg, at least 4 days apart. "
            "Usual 56.25 to 168.75 mg a day, ceiling 168.75 mg a day (150 mg with one product).",
        ),
    ],
)
def test_the_titration_stays_inside_the_ceiling(drug: str, vector: FeatureVector, text: str) -> None:
    """The titration names the steps, the usual range inside the ceiling and the first decision point."""
    assert drafted(drug, None, vector).titration.startswith(text)


@pytest.mark.parametrize("drug", sorted(K.doses.titrations))
def test_no_titration_step_leaves_the_usual_range(drug: str) -> None:
    """The first step of a titration lies between the start and the ceiling of its drug."""
    row, held = K.drugs[drug], K.doses.titrations[drug]
    assert row.start_mg is not None
    assert row.max_mg is not None
    assert held.first_mg is None or row.start_mg < held.first_mg <= row.max_mg
    assert held.step_mg is None or held.step_mg <= row.max_mg - row.start_mg


@pytest.mark.parametrize("drug", EVERY)
def test_the_next_lower_amount_is_never_above_what_was_asked(drug: str) -> None:
    """What is dispensed instead of an amount that cannot be is always less, and can be."""
    for wanted in (3.0, 17.0, 37.5, 99.0):
        lower = dispensing.highest(K.orderables[drug], wanted)
        assert lower is None or (lower <= wanted and dispensing.choose(K.orderables[drug], lower) is not None)


def test_the_doxepins_are_never_interchanged() -> None:
    """The tablets for insomnia are no orderable of the antidepressant, nor its capsules of the sleep drug."""
    low, usual = ({one.rxnorm for one in K.orderables[name]} for name in ("doxepin_low_dose", "doxepin"))
    assert low == {"966787", "966793"}
    assert low.isdisjoint(usual)
