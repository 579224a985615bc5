"""Every row of safety_rules.csv on both sides of what it asks; a new row is tested the day it is added."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, ListState, MedicationCourse
from recommender.catalog import knowledge
from recommender.catalog.rows import Rule
from recommender.safety import rules
from tests.factories import (
    absent,
    adult,
    allergy,
    course,
    days_ago,
    diagnosis,
    feature,
    patient,
    score,
)

K = knowledge.load()
JUDGED = tuple(rule for rule in K.rules if rule.evaluable)
NUMERIC = ("age", "lab", "vital")
UP, DOWN = (">", ">="), ("<", "<=")


def of_kind(*kinds: str, operators: Sequence[str] = ()) -> list[Rule]:
    """Return the evaluable rules of these kinds and operators."""
    return [rule for rule in JUDGED if rule.kind in kinds and (not operators or rule.operator in operators)]


def by_id(rule: Rule) -> str:
    """Name a case after its rule."""
    return rule.id


def subject(rule: Rule) -> str:
    """Return a drug that the rule judges, sertraline where it may be."""
    named = [name for name in K.drugs if rule in K.rules_of[name]]
    named = named or sorted(name for name, held in K.rules_of.items() if rule in held)
    return "sertraline" if "sertraline" in named else named[0]


def asked(
    rule: Rule,
    chart: CanonicalPatient,
    vector: FeatureVector | None = None,
    *,
    drug: str = "",
    current: bool = False,
) -> bool | None:
    """Return what this one rule says: true, false, or None for unknown."""
    name = drug or subject(rule)
    alone = replace(K, rules_of={name: (rule,)})
    found = rules.evaluate(name, chart, vector or fitting(rule), alone, current=current)
    assert len(found) < 2
    return None if found and found[0].reason.unknown else bool(found)


def fitting(rule: Rule, *given: object) -> FeatureVector:
    """Return a vector that fits what the rule is limited to."""
    age = max(45.0, rule.age_from or 0)
    return adult(*given, age=age, sex=rule.sex or "male")  # pyright: ignore[reportArgumentType]


def step(rule: Rule) -> float:
    """Return how far beside the threshold to look."""
    return 1.0 if rule.kind == "age" else 0.01


@pytest.mark.parametrize("rule", of_kind(*NUMERIC), ids=by_id)
@pytest.mark.parametrize("side", [-1, 0, 1], ids=["below", "at", "above"])
def test_each_threshold_holds_on_its_own_side_only(rule: Rule, side: int) -> None:
    """A measured rule holds exactly on the side of its threshold that its operator names."""
    assert rule.value is not None
    name = K.triggers[rule.kind, rule.trigger].row.feature
    vector = fitting(rule, feature(name, rule.value + side * step(rule)))
    expected = {">": side > 0, ">=": side >= 0, "<": side < 0, "<=": side <= 0}[rule.operator]
    assert asked(rule, patient(), vector) is expected


@pytest.mark.parametrize("rule", of_kind(*NUMERIC), ids=by_id)
@pytest.mark.parametrize("status", ["missing", "stale", "conflicting", "refused"])
def test_a_measurement_that_is_not_there_is_unknown_never_safe(rule: Rule, status: str) -> None:
    """A measured rule is unknown when its value is missing, stale, conflicting or refused; one that skips says nothing
    where nobody measured it."""
    name = K.triggers[rule.kind, rule.trigger].row.feature
    taken = [course(subject(rule))] if name.endswith("_level") else []
    expected = False if rule.on_unknown == "skip" and status == "missing" else None
    assert asked(rule, patient(*taken), fitting(rule, absent(name, status, days_ago(900)))) is expected


def test_no_rule_that_skips_a_gap_contraindicates() -> None:
    """What is told only where it was measured warns, and is never what keeps a drug away."""
    skipping = [rule for rule in JUDGED if rule.on_unknown == "skip"]
    assert {rule.id for rule in skipping} == {"SR538", "SR539", "SR542"}
    assert {rule.severity for rule in skipping} == {"warning"}


@pytest.mark.parametrize("rule", [one for one in JUDGED if one.trigger.endswith("_level")], ids=by_id)
def test_a_level_is_not_asked_for_before_the_first_dose(rule: Rule) -> None:
    """A missing level says nothing of a drug that a whole list does not hold; without the list it is asked."""
    name = K.triggers[rule.kind, rule.trigger].row.feature
    vector = fitting(rule, absent(name, "missing", None))
    assert asked(rule, patient(), vector) is False
    assert asked(rule, patient(lists={"medications": "not-supplied"}), vector) is None


@pytest.mark.parametrize("rule", of_kind("diagnosis"), ids=by_id)
def test_each_diagnosis_is_read_three_ways(rule: Rule) -> None:
    """A diagnosis rule holds on its keys, not on an empty whole list, and is unknown on any other list."""
    trigger = K.triggers[rule.kind, rule.trigger].row
    absence = rule.operator == "absent"
    vector = fitting(rule, feature("hba1c", 5.0))
    for key in trigger.conditions:
        assert asked(rule, patient(diagnosis(key)), vector) is not absence
    for key in trigger.possible:
        assert asked(rule, patient(diagnosis(key)), vector) is None
    assert asked(rule, patient(), vector) is (absence if trigger.complete else None)
    states: tuple[ListState, ...] = ("partial", "not-supplied")
    for state in states:
        assert asked(rule, patient(lists={"conditions": state}), vector) is None
        for key in trigger.conditions:
            chart = patient(diagnosis(key), lists={"conditions": state})
            assert asked(rule, chart, vector) is not absence


@pytest.mark.parametrize("rule", of_kind("diagnosis", operators=("present", "ever")), ids=by_id)
def test_a_past_diagnosis_counts_where_the_rule_says_ever(rule: Rule) -> None:
    """A past diagnosis holds for ``ever`` and is asked about where it would contraindicate."""
    for key in K.triggers[rule.kind, rule.trigger].row.conditions:
        grave = None if rule.severity == "contraindicated" else False
        expected = True if rule.operator == "ever" else grave
        assert asked(rule, patient(diagnosis(key, active=False))) is expected


@pytest.mark.parametrize("rule", of_kind("diagnosis", operators=("ever",)), ids=by_id)
def test_what_may_have_been_the_diagnosis_is_asked_about_where_the_rule_says_ever(rule: Rule) -> None:
    """A past problem that may have been the one of an ``ever`` rule leaves it unknown."""
    trigger = K.triggers[rule.kind, rule.trigger].row
    for key in trigger.possible:
        assert asked(rule, patient(diagnosis(key, active=False))) is None


def given(rule: Rule) -> list[str]:
    """Return drugs that the rule's trigger means, other than the judged one."""
    trigger, judged = K.triggers[rule.kind, rule.trigger], K.drug(subject(rule))
    own = {subject(rule)} | (set(judged.substances) if judged else set())
    names = trigger.drugs
    if rule.trigger == "same_class":
        names = K.classes[judged.drug_class] if judged else frozenset()
    return sorted(name for name in names - own if name not in K.combinations)


DRUG_RULES = [
    rule
    for rule in of_kind("drug", operators=("active", "active_or_within_days"))
    if rule.trigger not in ("same_ingredient", "bupropion_other_brand")
]


@pytest.mark.parametrize("rule", DRUG_RULES, ids=by_id)
def test_each_interacting_drug_is_read_three_ways(rule: Rule) -> None:
    """A drug rule holds while the other drug is taken, not after, and is unknown on a list with a gap."""
    names = given(rule)
    assert names
    for name in names:
        for taking in ("taking", "ordered", "reported", "unknown"):
            assert asked(rule, patient(course(name, taking=taking))) is True
    assert asked(rule, patient(course("lisinopril"))) is ("lisinopril" in names)
    assert asked(rule, patient()) is False
    assert asked(rule, patient(course())) is None
    assert asked(rule, patient(lists={"medications": "partial"})) is None
    assert asked(rule, patient(lists={"medications": "not-supplied"})) is None
    long_ago = patient(course(names[0], taking="stopped", stop=days_ago(400)))
    assert asked(rule, long_ago) is False


@pytest.mark.parametrize("rule", of_kind("drug", operators=("active_or_within_days",)), ids=by_id)
@pytest.mark.parametrize("side", [-1, 0, 1], ids=["inside", "last day", "after"])
def test_each_wash_out_ends_the_day_after_its_last(rule: Rule, side: int) -> None:
    """A wash-out still holds on its last day and no longer on the day after."""
    assert rule.value is not None
    gone = days_ago(int(rule.value) + side)
    name = next(one for one in given(rule) if one in K.reviewed)
    chart = patient(course(name, taking="stopped", stop=gone))
    assert asked(rule, chart) is (side <= 0)


@pytest.mark.parametrize("rule", of_kind("drug", operators=("active_or_within_days",)), ids=by_id)
def test_a_drug_stopped_on_an_unknown_day_leaves_the_wash_out_unknown(rule: Rule) -> None:
    """A wash-out is unknown when the other drug was stopped and no one wrote when."""
    assert asked(rule, patient(course(given(rule)[0], taking="stopped"))) is None


COUNTED = of_kind("drug", operators=(">=",))


def further(rule: Rule, number: int) -> list[MedicationCourse]:
    """Return courses of this many drugs that the rule counts, none of them the judged one."""
    names = [name for name in given(rule) if name in K.reviewed]
    different = {K.aliases.get(name, name): name for name in names}
    return [course(name) for name in sorted(different.values())[:number]]


@pytest.mark.parametrize("rule", COUNTED, ids=by_id)
def test_drugs_are_counted_with_the_judged_one(rule: Rule) -> None:
    """A count holds from its number on, the judged drug included; a nameless drug makes the last one unknown."""
    needed = int(rule.value or 0) - 1
    assert asked(rule, patient(*further(rule, needed))) is True
    fewer = further(rule, needed - 1)
    assert asked(rule, patient(*fewer)) is False
    assert asked(rule, patient(*fewer, course())) is None
    assert asked(rule, patient(*fewer, lists={"medications": "partial"})) is None


@pytest.mark.parametrize("rule", [rule for rule in COUNTED if rule.age_from], ids=by_id)
def test_a_count_of_later_life_says_nothing_below_its_age(rule: Rule) -> None:
    """A count that is limited to later life holds from its age on only."""
    chart = patient(*further(rule, int(rule.value or 0)))
    assert asked(rule, chart, adult(age=(rule.age_from or 0) - 1)) is False
    assert asked(rule, chart, adult(age=rule.age_from or 0)) is True


@pytest.mark.parametrize("rule", of_kind("genetics", "substance", operators=("present",)), ids=by_id)
def test_a_coded_feature_is_read_three_ways(rule: Rule) -> None:
    """A coded rule holds on its codes, not on another, and is unknown without a fresh one."""
    row = K.triggers[rule.kind, rule.trigger].row
    assert row.conditions
    for code in row.conditions:
        assert asked(rule, patient(), fitting(rule, feature(row.feature, code))) is True
    assert asked(rule, patient(), fitting(rule, feature(row.feature, "another"))) is False
    for status in ("missing", "stale", "conflicting", "refused"):
        assert asked(rule, patient(), fitting(rule, absent(row.feature, status))) is None


@pytest.mark.parametrize("rule", of_kind("substance", operators=("stopped_within",)), ids=by_id)
def test_when_somebody_stopped_is_asked_for_until_the_record_is_old_enough(rule: Rule) -> None:
    """A stop on an unknown day is unknown, unless it was on record before the days that matter."""
    row, days = K.triggers[rule.kind, rule.trigger].row, int(rule.value or 0)
    for code in row.possible:
        for age, expected in ((days, None), (days + 1, False)):
            assert asked(rule, patient(), fitting(rule, feature(row.feature, code, days_ago(age)))) is expected
    for code in row.conditions:
        assert asked(rule, patient(), fitting(rule, feature(row.feature, code, days_ago(0)))) is False
    assert asked(rule, patient(), fitting(rule, absent(row.feature))) is None


@pytest.mark.parametrize("rule", of_kind("boxed"), ids=by_id)
def test_a_boxed_warning_is_always_shown_and_never_blocks(rule: Rule) -> None:
    """A boxed warning stands beside its drug whatever the chart holds, as a note."""
    assert asked(rule, patient(lists={"conditions": "not-supplied", "medications": "not-supplied"})) is True
    assert rule.severity == "monitor"


@pytest.mark.parametrize("rule", [one for one in of_kind("pregnancy") if one.trigger == "breastfeeding"], ids=by_id)
@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        (adult(sex="female", breastfeeding_status="breastfeeding"), True),
        (adult(sex="female", breastfeeding_status="not_breastfeeding"), False),
        (adult(sex="female"), False),
        (adult(), False),
    ],
    ids=["recorded", "recorded not", "nothing recorded", "man"],
)
def test_breastfeeding_is_read_from_its_own_record(rule: Rule, vector: FeatureVector, expected: bool) -> None:
    """A recorded breastfeeding status counts before the problem list does."""
    assert asked(rule, patient(), vector) is expected


@pytest.mark.parametrize("rule", of_kind("allergy"), ids=by_id)
def test_each_allergy_is_read_three_ways(rule: Rule) -> None:
    """An allergy rule holds on its allergen, not on an empty whole list, and is unknown on any other list."""
    own = rule.trigger == "same_ingredient"
    name = subject(rule) if own else sorted(K.triggers[rule.kind, rule.trigger].drugs)[0]
    assert asked(rule, patient(allergy(name))) is True
    for kind in ("ssri",) if own and subject(rule) == "sertraline" else ():
        assert asked(rule, patient(allergy(classes=[kind], text="an SSRI"))) is True
        assert asked(rule, patient(allergy(classes=["tca"], text="a tricyclic"))) is False
    assert asked(rule, patient(allergy("lisinopril"))) is False
    assert asked(rule, patient()) is False
    assert asked(rule, patient(allergy())) is None
    assert asked(rule, patient(lists={"allergies": "not-supplied"})) is None


PREGNANT = [rule for rule in of_kind("pregnancy") if rule.trigger == "pregnant"]


@pytest.mark.parametrize("rule", PREGNANT, ids=by_id)
@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        (adult(sex="female", pregnancy_status="pregnant"), True),
        (adult(sex="female", pregnancy_status="not_pregnant"), False),
        (adult(sex="female"), None),
        (adult(sex="female", age=11.0), False),
        (adult(sex="female", age=12.0), None),
        (adult(sex="female", age=55.0), None),
        (adult(sex="female", age=56.0), False),
        (adult(absent("sex")), None),
        (adult(absent("pregnancy_status", "stale", days_ago(90)), sex="female"), None),
        (adult(), False),
        (adult(pregnancy_status="pregnant"), True),
    ],
    ids=["yes", "no", "woman", "child", "first", "last", "older", "sex unknown", "stale", "man", "recorded"],
)
def test_pregnancy_is_asked_for_only_where_it_can_be(rule: Rule, vector: FeatureVector, expected: bool | None) -> None:
    """Pregnancy is unknown only for a woman, or somebody of unknown sex, of childbearing age."""
    assert asked(rule, patient(), vector) is expected


WOMAN = {"sex": "female"}
OF_PREGNANCY: Mapping[str, Sequence[tuple[FeatureVector, bool | None]]] = {
    "childbearing_potential": (
        (adult(**WOMAN, age=12.0), True),
        (adult(**WOMAN, age=55.0), True),
        (adult(**WOMAN, age=11.0), False),
        (adult(**WOMAN, age=56.0), False),
        (adult(absent("age"), **WOMAN), None),
        (adult(absent("sex"), age=30.0), None),
        (adult(absent("sex"), age=56.0), False),
        (adult(age=30.0), False),
    ),
    "unknown_and_childbearing_age": (
        (adult(**WOMAN, age=30.0), None),
        (adult(**WOMAN, age=56.0), False),
        (adult(**WOMAN, age=30.0, pregnancy_status="not_pregnant"), False),
        (adult(**WOMAN, age=30.0, pregnancy_status="pregnant"), False),
    ),
    "first_trimester": (
        (adult(**WOMAN, age=30.0, pregnancy_status="pregnant"), None),
        (adult(**WOMAN, age=30.0, pregnancy_status="not_pregnant"), False),
        (adult(**WOMAN, age=30.0), None),
        (adult(**WOMAN, age=56.0), False),
    ),
}


@pytest.mark.parametrize("rule", [one for one in of_kind("pregnancy") if one.trigger in OF_PREGNANCY], ids=by_id)
def test_what_may_become_a_pregnancy_is_read_three_ways(rule: Rule) -> None:
    """Sex and age answer who may become pregnant; one of them unknown leaves it open, never safe."""
    for vector, expected in OF_PREGNANCY[rule.trigger]:
        assert asked(rule, patient(), vector) is expected


@pytest.mark.parametrize("rule", of_kind("data"), ids=by_id)
def test_a_laboratory_value_ages_by_the_day(rule: Rule) -> None:
    """A rule on the age of a value holds one day after its limit and is unknown without any value."""
    name, limit = K.triggers[rule.kind, rule.trigger].row.feature, int(rule.value or 0)
    for days, expected in ((limit, False), (limit + 1, True)):
        assert asked(rule, patient(), fitting(rule, feature(name, 1.0, days_ago(days)))) is expected
    stale = absent(name, "stale", days_ago(limit + 1))
    assert asked(rule, patient(), fitting(rule, stale)) is True
    taken = [course(subject(rule))] if name.endswith("_level") else []
    assert asked(rule, patient(*taken), fitting(rule, absent(name))) is None


@pytest.mark.parametrize("rule", of_kind("dose"), ids=by_id)
def test_a_dose_rule_judges_what_is_taken(rule: Rule) -> None:
    """A dose rule holds above its limit, is unknown without a dose, and never judges a candidate."""
    limit = rule.value or 0
    for dose, expected in ((limit, False), (limit + 1, True), (None, None)):
        assert asked(rule, patient(course(rule.drug, dose=dose)), current=True) is expected
    assert asked(rule, patient(course(rule.drug, dose=limit + 1))) is False


@pytest.mark.parametrize("rule", of_kind("scale"), ids=by_id)
def test_a_scale_rule_reads_its_scale(rule: Rule) -> None:
    """A scale rule holds from its cut-off on, not below, and is unknown without an answer."""
    trigger = K.triggers[rule.kind, rule.trigger]
    if trigger.scale is None:
        at = fitting(rule, feature(trigger.row.feature, rule.value or 0))
        below = fitting(rule, feature(trigger.row.feature, (rule.value or 0) - 1))
        missing = fitting(rule, absent(trigger.row.feature))
        silent = False if rule.on_unknown == "skip" else None
        assert [asked(rule, patient(), one) for one in (at, below, missing)] == [True, False, silent]
        return
    scale, part, low = trigger.scale
    charts = [patient(score(scale, part, low)), patient(score(scale, part, low - 1)), patient()]
    assert [asked(rule, chart) for chart in charts] == [True, False, None]


@pytest.mark.parametrize("rule", of_kind("setting", "sex"), ids=by_id)
def test_what_no_chart_holds_is_asked_for(rule: Rule) -> None:
    """A setting is always asked for, and sex is unknown when it is not recorded."""
    vector = adult(absent("sex")) if rule.kind == "sex" else adult()
    assert asked(rule, patient(), vector) is None


def test_every_evaluable_row_is_of_a_tested_kind() -> None:
    """No evaluable rule is of a kind or operator that these tables leave out."""
    tested = {
        *of_kind(*NUMERIC, "diagnosis", "allergy", "pregnancy", "data", "dose", "scale", "setting", "sex"),
        *of_kind("genetics", "substance", operators=("present", "stopped_within")),
        *of_kind("boxed"),
        *DRUG_RULES,
        *COUNTED,
    }
    rest = {rule.trigger for rule in JUDGED if rule not in tested}
    assert rest == {"same_ingredient", "bupropion_other_brand"}
