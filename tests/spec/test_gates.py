"""Every row of gates.csv on both sides, and the order in which gates close."""

from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters.canonical import CanonicalPatient, ConsentDecision, FeatureVector
from recommender import gates, knowledge
from recommender.assessment import Escalation, Gate
from recommender.rows import GateRow
from tests.factories import LISTS, absent, adult, course, days_ago, diagnosis, feature, patient, score, source

K = knowledge.load()
MDD = diagnosis("mdd")
MEASURED = [row for row in K.gates if row.reads.startswith("feature:") and row.operator in (">", ">=", "<", "<=")]
SCALES = [row for row in K.gates if row.reads.startswith("scale:")]
CONDITIONS = [row for row in K.gates if row.reads.startswith("condition:")]
CRISES = [row for row in K.gates if row.effect == "crisis"]


def name(row: GateRow) -> str:
    """Name a case after its row."""
    return row.id


def closed_by(
    row: GateRow, chart: CanonicalPatient, vector: FeatureVector | None = None
) -> tuple[Gate, tuple[Escalation, ...]]:
    """Return gate and escalations with this row alone."""
    alone = replace(K, gates=(row,))
    return gates.evaluate(chart, vector or adult(), alone, jurisdiction="US-MA")


def opened(chart: CanonicalPatient, vector: FeatureVector | None = None, place: str | None = "US-MA") -> Gate:
    """Return the gate of a whole evaluation."""
    return gates.evaluate(chart, vector or adult(), K, jurisdiction=place)[0]


def hits(row: GateRow, chart: CanonicalPatient, vector: FeatureVector | None = None) -> bool:
    """Say whether this row alone closes the gate or tells somebody."""
    gate, told = closed_by(row, chart, vector)
    return gate.status == row.effect if row.effect != "escalate" else bool(told)


@pytest.mark.parametrize("row", MEASURED, ids=name)
@pytest.mark.parametrize("side", [-1, 0, 1], ids=["below", "at", "above"])
def test_each_measured_gate_closes_on_its_own_side_only(row: GateRow, side: int) -> None:
    """A gate on a value closes exactly on the side of its threshold that its operator names."""
    read = row.reads.partition(":")[2]
    vector = adult(feature(read, float(row.value) + side * 0.1))
    expected = {">=": side >= 0, "<": side < 0}[row.operator]
    assert hits(row, patient(MDD, course("sertraline")), vector) is expected


@pytest.mark.parametrize("row", MEASURED, ids=name)
@pytest.mark.parametrize("status", ["missing", "stale", "conflicting", "refused"])
def test_a_value_that_is_not_there_raises_no_alarm(row: GateRow, status: str) -> None:
    """No gate closes on a value that is missing, stale, conflicting or refused."""
    vector = adult(absent(row.reads.partition(":")[2], status))
    assert not hits(row, patient(MDD), vector)


@pytest.mark.parametrize("row", SCALES, ids=name)
def test_each_answer_that_counts_is_a_crisis(row: GateRow) -> None:
    """An answer at its limit is a crisis up to the last day of its window and undated, none below."""
    scale, _, part = row.reads.partition(":")[2].partition("/")
    limit, window = float(row.value), row.window_days
    assert window is not None
    cases = [
        (score(scale, part, limit, days_ago(window)), True),
        (score(scale, part, limit, None), True),
        (score(scale, part, limit, days_ago(window + 1)), False),
        (score(scale, part, limit - 1), False),
    ]
    for answer, expected in cases:
        gate, told = closed_by(row, patient(MDD, answer))
        assert (gate.status == "crisis", bool(told)) == (expected, expected)


@pytest.mark.parametrize("row", SCALES, ids=name)
def test_a_later_answer_settles_an_earlier_one(row: GateRow) -> None:
    """A negative answer later than a positive one opens the gate; on the same day the positive one counts."""
    scale, _, part = row.reads.partition(":")[2].partition("/")
    limit = float(row.value)
    positive = score(scale, part, limit, days_ago(10))
    later, same = score(scale, part, 0, days_ago(5)), score(scale, part, 0, days_ago(10))
    assert not hits(row, patient(MDD, later, positive))
    assert hits(row, patient(MDD, same, positive))


@pytest.mark.parametrize("row", CONDITIONS, ids=name)
def test_each_condition_closes_as_its_operator_says(row: GateRow) -> None:
    """A condition counts active, recent or ever, as its row says, and history codes do not where excepted."""
    key = row.reads.partition(":")[2]
    old, active = days_ago((row.window_days or 0) + 1), row.operator == "active"
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"active": False}, row.operator == "ever"),
        ({"onset": old}, active or row.operator == "ever"),
        ({"onset": old, "active": False}, row.operator == "ever"),
        ({"onset": days_ago(row.window_days or 0)}, True),
    ]
    cases += [({"code": f"http://snomed.info/sct|{code}"}, False) for code in row.except_codes]
    named: dict[str, Any] = (
        {"code": f"http://hl7.org/fhir/sid/icd-10-cm|{min(row.only_codes)}"} if row.only_codes else {}
    )
    for given, expected in cases:
        given = {**named, **given}
        assert hits(row, patient(MDD, diagnosis(key, **given))) is expected
    assert not hits(row, patient(MDD))


def test_every_gate_row_is_of_a_tested_kind() -> None:
    """No gate row reads something that these tables leave out."""
    rest = {row.reads + " " + row.operator for row in K.gates if row not in [*MEASURED, *SCALES, *CONDITIONS]}
    assert rest == {
        "feature:pregnancy_status =",
        "feature:age absent",
        "feature:phq9_total absent",
        "list:conditions absent",
        "list:medications absent",
        "list:consents partial",
        "list:consents absent",
        "depression absent",
        "depression unknown",
        "deceased is",
        "trials >=",
    }


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [
        ("supplied", "open", ""),
        ("not-supplied", "open", "No Consent was supplied"),
        ("partial", "insufficient-data", "could not all be read"),
    ],
)
def test_consents_that_were_not_read_are_never_agreement(state: Any, status: str, said: str) -> None:
    """Consents read in part close the gate, Consents not supplied are named, and only a whole list is silent."""
    known = patient(MDD, lists={**LISTS, "consents": state})
    gate, _ = gates.evaluate(known, adult(), K, jurisdiction="US-MA")
    assert gate.status == status
    assert any(said in reason for reason in gate.reasons) if said else gate.reasons == ()


def consent(decision: Any, start: int | None = 100, end: int | None = None) -> ConsentDecision:
    """Return a decision with its period in days before today."""
    first, last = (None if day is None else days_ago(day) for day in (start, end))
    return ConsentDecision(decision, f"AI use: {decision}", first, last, source("Consent/one"))


@pytest.mark.parametrize(
    ("decisions", "status"),
    [
        ((), "open"),
        ((consent("deny"),), "consent-withheld"),
        ((consent("permit"),), "open"),
        ((consent("not-about-ai"),), "open"),
        ((consent("unreadable"),), "consent-withheld"),
        ((consent("deny", 100, 1),), "open"),
        ((consent("deny", 100, 0),), "consent-withheld"),
        ((consent("deny", -1),), "open"),
        ((consent("permit", 5), consent("deny", 100)), "open"),
        ((consent("deny", 5), consent("permit", 100)), "consent-withheld"),
        ((consent("permit", 5), consent("deny", 5)), "consent-withheld"),
        ((consent("permit", 5), consent("deny", None)), "consent-withheld"),
    ],
)
def test_consent_is_withheld_by_the_newest_decision_in_force(decisions: Any, status: str) -> None:
    """The newest decision in force counts; a tie, an undated denial and an unreadable Consent withhold."""
    assert opened(patient(MDD, consents=decisions)).status == status


@pytest.mark.parametrize(
    ("place", "status", "notices"),
    [("US-NV", "jurisdiction", 1), ("us-nv ", "jurisdiction", 1), ("US-IL", "open", 1), ("US-MA", "open", 0)],
)
def test_the_law_of_the_place_is_data(place: str, status: str, notices: int) -> None:
    """Nevada closes drafting, Illinois opens it with a notice, any other place opens it in silence."""
    gate = opened(patient(MDD), place=place)
    assert (gate.status, len(gate.reasons)) == (status, notices)


def test_no_jurisdiction_is_open_and_said() -> None:
    """Without a stated jurisdiction the gate is open and says that no law was checked."""
    gate = opened(patient(MDD), place=None)
    assert gate.status == "open"
    assert "No jurisdiction is stated" in gate.reasons[0]


CRISIS = {"phq9_item9": 1.0}
DENIED = (consent("deny"),)


def test_gates_close_in_their_order() -> None:
    """Crisis closes before consent, consent before the law, the law before scope, scope before thin data."""
    worst = patient(diagnosis("bipolar_disorder"), consents=DENIED, lists={"medications": "not-supplied"})
    agreed = replace(worst, consents=())
    assert opened(worst, adult(**CRISIS), "US-NV").status == "crisis"
    assert opened(worst, adult(), "US-NV").status == "consent-withheld"
    assert opened(agreed, adult(), "US-NV").status == "jurisdiction"
    assert opened(agreed, adult()).status == "out-of-scope"
    assert opened(replace(agreed, diagnoses=(MDD,))).status == "insufficient-data"


def test_a_crisis_says_what_was_answered_and_when_and_whom_to_call() -> None:
    """A positive item 9 is one reason with answer and day, and one escalation to the crisis team today."""
    answer = score("phq9", "item9_self_harm", 2, days_ago(14))
    gate, told = gates.evaluate(
        patient(MDD, answer), adult(feature("phq9_item9", 2.0, days_ago(14))), K, jurisdiction=None
    )
    expected = (
        f"PHQ-9 item 9 (thoughts of death or self-harm) answered 2 on {days_ago(14)}: "
        "a person assesses suicide risk the same day."
    )
    assert gate == Gate("crisis", (expected,))
    assert [(one.to, one.urgency, one.reason) for one in told] == [("crisis-team", "today", expected)]


def test_conflicting_answers_to_item_9_are_a_crisis_when_one_is_positive() -> None:
    """Item 9 with two answers on one day is a crisis by the positive one, though the feature has no value."""
    answers = (score("phq9", "item9_self_harm", 0), score("phq9", "item9_self_harm", 1))
    vector = adult(absent("phq9_item9", "conflicting"))
    assert opened(patient(MDD, *answers), vector).status == "crisis"


def test_the_most_urgent_comes_first() -> None:
    """Escalations are sorted by urgency."""
    chart = patient(MDD, score("cssrs_screener", "q5_plan_and_intent", 1))
    vector = adult(qtc=510.0, antidepressant_trials=3.0)
    urgencies = [one.urgency for one in gates.evaluate(chart, vector, K, jurisdiction=None)[1]]
    assert urgencies == ["now", "today", "routine"]


def test_a_deceased_patient_raises_no_alarm() -> None:
    """A deceased patient is out of scope and nobody is called, whatever was answered."""
    gate, told = gates.evaluate(patient(MDD, deceased=True), adult(**CRISIS), K, jurisdiction="US-NV")
    assert (gate.status, told) == ("out-of-scope", ())


@pytest.mark.parametrize(
    ("chart", "vector", "missing"),
    [
        (patient(MDD), adult(absent("age")), "age"),
        (patient(MDD), adult(absent("phq9_total")), "PHQ-9"),
        (patient(MDD), adult(absent("phq9_total", "stale", days_ago(100))), str(days_ago(100))),
        (patient(lists={"conditions": "not-supplied"}), adult(absent("depression")), "problem list"),
        (patient(MDD, lists={"medications": "not-supplied"}), adult(), "medication list"),
        (patient(lists={"conditions": "partial"}), adult(absent("depression")), "could not be read whole"),
    ],
)
def test_what_is_missing_is_named(chart: CanonicalPatient, vector: FeatureVector, missing: str) -> None:
    """A record that is too thin closes the gate and names what to bring."""
    gate = opened(chart, vector)
    assert gate.status == "insufficient-data"
    assert any(missing in reason for reason in gate.reasons)


@pytest.mark.parametrize(
    "chart",
    [
        patient(MDD, lists={"allergies": "not-supplied"}),
        patient(MDD, lists={"conditions": "partial", "medications": "partial"}),
        patient(diagnosis("depression_unspecified")),
        patient(MDD, course("sertraline")),
    ],
)
def test_gaps_that_can_be_asked_about_leave_the_gate_open(chart: CanonicalPatient) -> None:
    """Missing allergies, lists read in part and an unspecified depression do not close the gate."""
    assert opened(chart, adult(absent("depression"))) == Gate("open", ())


@pytest.mark.parametrize(("code", "status"), [("F32.3", "out-of-scope"), ("F323", "out-of-scope"), ("F32.2", "open")])
def test_psychotic_depression_is_told_apart_by_its_code(code: str, status: str) -> None:
    """Depression coded with psychotic symptoms goes to a psychiatrist, severe depression without does not."""
    chart = patient(diagnosis("mdd", code=f"http://hl7.org/fhir/sid/icd-10-cm|{code}"))
    assert opened(chart).status == status


def test_no_depression_on_a_whole_list_is_out_of_scope() -> None:
    """A problem list supplied whole without depression is out of scope."""
    assert opened(patient(), adult(depression=False)).status == "out-of-scope"


def test_a_pregnancy_on_record_goes_to_perinatal_review() -> None:
    """A recorded pregnancy is out of scope with a psychiatrist to tell, a denied one is not."""
    vector = adult(sex="female", pregnancy_status="pregnant")
    gate, told = gates.evaluate(patient(MDD), vector, K, jurisdiction="US-MA")
    assert (gate.status, [one.to for one in told]) == ("out-of-scope", ["psychiatrist"])
    assert opened(patient(MDD), adult(sex="female", pregnancy_status="not_pregnant")).status == "open"


@pytest.mark.parametrize(
    ("earlier", "days", "told"),
    [(0.0, 400.0, False), (1.0, 27.0, False), (1.0, 28.0, True), (2.0, None, True), (None, 400.0, False)],
)
def test_two_adequate_trials_are_told_and_leave_the_gate_open(
    earlier: float | None, days: float | None, told: bool
) -> None:
    """The present trial counts once it has lasted four weeks; an unknown history counts nothing."""
    given = {"antidepressant_trials": earlier, "antidepressant_days": days}
    vector = adult(
        *(absent(key) if value is None else feature(key, value) for key, value in given.items()),
    )
    row = next(row for row in K.gates if row.reads == "trials")
    gate, escalations = closed_by(row, patient(MDD, course("sertraline")), vector)
    assert (gate.status, bool(escalations)) == ("open", told)


def test_every_crisis_row_calls_the_crisis_team() -> None:
    """No crisis is told to nobody, or as routine."""
    assert all(row.to == "crisis-team" and row.urgency in ("now", "today") for row in CRISES)
