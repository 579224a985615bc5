"""The law of shared answers: what rules say of a drug does not hang on the drugs that are judged beside it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, MedicationCourse, Taking
from recommender.catalog import knowledge
from recommender.safety import rules
from tests.factories import absent, adult, allergy, course, days_ago, diagnosis, feature, patient

K = knowledge.load()
DRUGS = sorted(K.drugs)
NAMES = sorted({name for trigger in K.triggers.values() for name in trigger.drugs} | {"lisinopril", "moonlight"})
CLASSES = sorted({name for trigger in K.triggers.values() for name in trigger.classes})
KEYS = sorted({key for trigger in K.triggers.values() for key in (*trigger.row.conditions, *trigger.row.possible)})
LIMITS = sorted(
    {
        (K.triggers[rule.kind, rule.trigger].row.feature, rule.value)
        for rule in K.rules
        if rule.evaluable and rule.kind in ("age", "lab", "vital") and rule.value is not None
    }
)

TAKING: tuple[Taking, ...] = ("taking", "ordered", "unknown", "stopped", "stopped")
STOPS = st.none() | st.sampled_from([-1, 1, 7, 14, 21, 35, 400]).map(days_ago)
DIAGNOSES = st.builds(diagnosis, st.sampled_from(KEYS), active=st.booleans(), certain=st.booleans())
STATES = st.dictionaries(
    st.sampled_from(["conditions", "medications", "allergies"]),
    st.sampled_from(["partial", "not-supplied"]),
    max_size=2,
)


@st.composite
def courses(draw: st.DrawFn) -> MedicationCourse:
    """A course of a drug that a rule looks for, often one of the formulary; sometimes only its class is known."""
    names = draw(st.lists(st.sampled_from(DRUGS) | st.sampled_from(NAMES), max_size=2, unique=True))
    classes = draw(st.lists(st.sampled_from(CLASSES), max_size=1))
    taking = draw(st.sampled_from(TAKING))
    dose = draw(st.sampled_from([None, 10.0, 100.0]))
    return course(*names, taking=taking, stop=draw(STOPS), dose=dose, classes=classes)


@st.composite
def allergies(draw: st.DrawFn) -> object:
    """An allergy to a drug, to a class, or to something that nobody identified."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=1))
    return allergy(*names, classes=draw(st.lists(st.sampled_from(CLASSES), max_size=1)))


@st.composite
def charts(draw: st.DrawFn) -> tuple[CanonicalPatient, FeatureVector]:
    """Somebody with drugs, problems, allergies and values about thresholds, each list whole or not."""
    facts = draw(st.lists(courses() | DIAGNOSES | allergies(), max_size=8))
    sex = draw(st.sampled_from([feature("sex", "female"), feature("sex", "male"), absent("sex")]))
    measured = draw(st.lists(st.sampled_from(LIMITS), max_size=6))
    values = [feature(name, limit + draw(st.sampled_from([-1, 0, 1]))) for name, limit in measured]
    whole = patient(*facts, lists=draw(STATES))  # pyright: ignore[reportArgumentType]
    return whole, adult(sex, *values)


@given(charts(), st.permutations(DRUGS), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_drug_is_judged_alike_alone_and_beside_others(
    chart: tuple[CanonicalPatient, FeatureVector], order: list[str], current: bool
) -> None:
    """All drugs together, in any order, get the findings that each gets alone."""
    together = rules.evaluate_all(order, *chart, K, current=current)
    assert together == {name: rules.evaluate(name, *chart, K, current=current) for name in order}


def test_each_rule_keeps_its_own_words() -> None:
    """Two rules that ask the same question name what they found in their own words, whichever is asked first."""
    chart, vector = patient(course("phenelzine")), adult()
    found = rules.evaluate_all(["sertraline", "tranylcypromine"], chart, vector, K)
    first, second = (" ".join(one.reason.message for one in found[name]) for name in found)
    assert "Phenelzine (an MAO inhibitor)" in first
    assert "Phenelzine (another MAO inhibitor)" in second
