"""Every row of gates.csv on both sides, and the order in which gates close."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from fhir_adapters.canonical import Adapted, CanonicalPatient, ConsentDecision, FeatureVector
from recommender.assess import assess
from recommender.assessment import Escalation, Gate
from recommender.catalog import knowledge
from recommender.catalog.rows import GateRow
from recommender.gate import gates
from tests.factories import LISTS, absent, adult, course, days_ago, diagnosis, feature, patient, score, source

K = knowledge.load()
MDD = diagnosis("mdd")
COMPARED = (">", ">=", "<", "<=", "between")
MEASURED = [row for row in K.gates if row.reads.startswith("feature:") and row.operator in COMPARED]
CODED = [row for row in K.gates if row.reads.startswith("feature:") and row.operator == "="]
OF_STATUS = [
    row for row in K.gates if row.operator in ("absent", "unreadable", "conflicting") and "feature:" in row.reads
]
SETTLING = tuple(row for row in K.gates if row.effect in ("assessment", "follow-up"))
CONDITIONS = [row for row in K.gates if row.reads.startswith("condition:") and row.operator != "unlisted"]
UNLISTED = [row for row in K.gates if row.operator == "unlisted"]
LISTED = [row for row in K.gates if row.reads.startswith("list:")]
CRISES = [row for row in K.gates if row.effect == "crisis"]


def name(row: GateRow) -> str:
    """Name a case after its row."""
    return row.id


def closed_by(
    row: GateRow, chart: CanonicalPatient, vector: FeatureVector | None = None
) -> tuple[Gate, tuple[Escalation, ...]]:
    """Return gate and escalations with this row, and what settles it, alone."""
    alone = replace(K, gates=(row, *SETTLING))
    return gates.evaluate(chart, vector or adult(), alone, jurisdiction="US-MA")


def opened(chart: CanonicalPatient, vector: FeatureVector | None = None, place: str | None = "US-MA") -> Gate:
    """Return the gate of a whole evaluation."""
    return gates.evaluate(chart, vector or adult(), K, jurisdiction=place)[0]


def hits(row: GateRow, chart: CanonicalPatient, vector: FeatureVector | None = None) -> bool:
    """Say whether this row alone closes the gate, gives notice or tells somebody."""
    gate, told = closed_by(row, chart, vector)
    assert bool(told) is bool(gate.status == row.effect and row.to) or row.effect == "escalate"
    if row.effect == "notice":
        return bool(gate.reasons)
    return gate.status == row.effect if row.effect != "escalate" else bool(told)


def treated(row: GateRow) -> CanonicalPatient:
    """Return a depressed patient who takes what this row asks for."""
    return patient(MDD, course("sertraline"), *([course(row.taking)] if row.taking and row.taking[0] != "-" else []))


def sides(row: GateRow, step: float = 0.1) -> list[tuple[float, bool]]:
    """Return values just below, at and just above each threshold of a row, and whether it holds there."""
    limits = [float(one) for one in row.value.split(";")]
    low, high = limits[0], limits[-1]
    holds = {
        ">=": lambda value: value >= low,
        "<": lambda value: value < low,
        "=": lambda value: value == low,
        "between": lambda value: low <= value < high,
    }[row.operator]
    return [(limit + side * step, holds(limit + side * step)) for limit in limits for side in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("row", "value", "expected"),
    [
        pytest.param(row, value, expected, id=f"{row.id} {value:g}")
        for row in MEASURED
        for value, expected in sides(row)
    ],
)
def test_each_measured_gate_holds_on_its_own_side_only(row: GateRow, value: float, expected: bool) -> None:
    """A gate on a value holds exactly on the side of its thresholds that its operator names."""
    vector = adult(feature(row.reads.partition(":")[2], value))
    assert hits(row, treated(row), vector) is expected


@pytest.mark.parametrize("row", [row for row in MEASURED if row.taking and row.taking[0] != "-"], ids=name)
def test_a_gate_on_a_drug_needs_the_drug(row: GateRow) -> None:
    """A gate on a value under a drug holds with the drug, and neither without it nor after its stop."""
    low = float(row.value.split(";")[0])
    vector = adult(feature(row.reads.partition(":")[2], low))
    stopped = course(row.taking, taking="stopped", stop=days_ago(1))
    assert hits(row, treated(row), vector)
    assert not hits(row, patient(MDD), vector)
    assert not hits(row, patient(MDD, stopped), vector)


@pytest.mark.parametrize("row", [row for row in MEASURED if row.taking.startswith("-")], ids=name)
def test_a_gate_without_a_drug_is_silent_while_it_is_taken(row: GateRow) -> None:
    """A gate of those who do not take a drug holds after its stop and not beside it."""
    vector = adult(feature(row.reads.partition(":")[2], float(row.value.split(";")[0])))
    drug = row.taking[1:]
    assert hits(row, patient(MDD, course(drug, taking="stopped", stop=days_ago(1))), vector)
    assert not hits(row, patient(MDD, course(drug)), vector)


@pytest.mark.parametrize("row", CODED, ids=name)
def test_each_coded_gate_holds_for_its_code_only(row: GateRow) -> None:
    """A gate on a code holds for that code and for no other."""
    read = row.reads.partition(":")[2]
    assert hits(row, patient(MDD), adult(feature(read, row.value)))
    assert not hits(row, patient(MDD), adult(feature(read, "another")))


@pytest.mark.parametrize("row", [*MEASURED, *CODED], ids=name)
@pytest.mark.parametrize("status", ["missing", "stale", "conflicting", "refused"])
def test_a_value_that_is_not_there_raises_no_alarm(row: GateRow, status: str) -> None:
    """No gate on a value holds when the value is missing, stale, conflicting or refused."""
    vector = adult(absent(row.reads.partition(":")[2], status))
    assert not hits(row, treated(row), vector)


_HOLDS_FOR = {
    "absent": {"missing", "stale", "conflicting", "refused"},
    "unreadable": {"conflicting", "refused"},
    "conflicting": {"conflicting"},
}


@pytest.mark.parametrize("row", OF_STATUS, ids=name)
@pytest.mark.parametrize("status", ["missing", "stale", "conflicting", "refused"])
def test_each_gap_is_answered_as_its_operator_says(row: GateRow, status: str) -> None:
    """A gate on a gap holds for the kinds of gap that its operator names, never for a value."""
    read = row.reads.partition(":")[2]
    expected = status in _HOLDS_FOR[row.operator]
    assert hits(row, patient(MDD), adult(absent(read, status))) is expected
    assert not hits(row, patient(MDD), adult(feature(read, 0.0)))
    if row.window_days is not None and expected:
        assert hits(row, patient(MDD), adult(absent(read, status, days_ago(row.window_days))))
        assert not hits(row, patient(MDD), adult(absent(read, status, days_ago(row.window_days + 1))))


@pytest.mark.parametrize("row", LISTED, ids=name)
@pytest.mark.parametrize("state", ["supplied", "partial", "not-supplied"])
def test_each_gate_on_a_list_holds_for_its_state_only(row: GateRow, state: Any) -> None:
    """A gate on a list holds when the list was not supplied, or read in part, as its operator says."""
    chart = patient(MDD, lists={row.reads.partition(":")[2]: state})
    assert hits(row, chart) is (state == {"absent": "not-supplied", "partial": "partial"}[row.operator])


@pytest.mark.parametrize("row", UNLISTED, ids=name)
def test_drugs_of_bipolar_disorder_without_a_diagnosis_are_asked_about(row: GateRow) -> None:
    """They close until a diagnosis explains them, or an order says another reason than bipolar disorder."""
    drugs, key = row.taking.split("+"), row.reads.partition(":")[2]
    taken = [course(one) for one in drugs]
    assert hits(row, patient(MDD, *taken))
    assert not hits(row, patient(MDD, *taken[1:], *([course("sertraline")] if len(taken) == 1 else [])))
    assert not hits(row, patient(MDD, diagnosis(key, active=False), *taken))
    for words, keys, expected in ((("Depression",), ("mdd",), False), (("Bipolar",), ("bipolar_disorder",), True)):
        stated = [changed(one, taken_for=words, reasons=keys) for one in taken]
        assert hits(row, patient(MDD, *stated)) is expected


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
    beside, vector = ((), adult(depression=False)) if row.focus == frozenset({"none"}) else ((MDD,), adult())
    for given, expected in cases:
        given = {**named, **given}
        assert hits(row, patient(*beside, diagnosis(key, **given)), vector) is expected
    assert not hits(row, patient(MDD))


ASCITES = diagnosis(code="http://hl7.org/fhir/sid/icd-10-cm|R18.8")
CIRRHOSIS = diagnosis("cirrhosis")


@pytest.mark.parametrize("row", [row for row in K.gates if row.reads == "child_pugh"], ids=name)
@pytest.mark.parametrize(
    ("problems", "labs", "expected"),
    [
        ((CIRRHOSIS,), (3.1, 2.7, 2.4), True),  # 9 points, and 2 to 6 for what nobody recorded
        ((CIRRHOSIS,), (3.1, 2.7, 2.3), True),
        ((CIRRHOSIS,), (3.1, 2.7, 1.7), True),
        ((CIRRHOSIS,), (3.1, 2.7, 1.6), False),  # 9 to 13 points may still be class B
        ((CIRRHOSIS, ASCITES), (3.1, 2.7, 1.6), True),
        ((CIRRHOSIS, ASCITES), (3.0, 2.7, 1.6), False),
        ((CIRRHOSIS, ASCITES), (3.1, 2.8, 1.6), False),
        ((CIRRHOSIS,), (), False),
        ((diagnosis("cirrhosis", active=False),), (3.1, 2.7, 2.4), False),
        ((), (3.1, 2.7, 2.4), False),
    ],
)
def test_a_liver_that_fails_is_told_where_the_class_can_be_no_other(
    row: GateRow, problems: tuple[Any, ...], labs: tuple[float, ...], expected: bool
) -> None:
    """Class C is told, and closes drafting, where every gap leaves it class C; never without a liver disease."""
    vector = adult(**dict(zip(("bilirubin_total", "albumin", "inr"), labs, strict=False)))
    gate, told = closed_by(row, patient(MDD, *problems), vector)
    if row.effect == "out-of-scope":
        assert gate.status == ("out-of-scope" if expected else "open")
        assert not expected or all(f"{value:g}" in gate.reasons[0] for value in labs)
        return
    assert (gate.status, bool(told)) == ("open", expected)
    assert not told or all(f"{value:g}" in told[0].reason for value in labs)


def test_every_gate_row_is_of_a_tested_kind() -> None:
    """No gate row reads something that these tables, and those of the crisis and of routes, leave out."""
    tested = [*MEASURED, *CODED, *OF_STATUS, *CONDITIONS, *UNLISTED, *LISTED, *SETTLING]
    tested += [row for row in K.gates if row.reads.startswith("scale:") or row.effect == "route"]
    rest = {row.reads + " " + row.operator for row in K.gates if row not in tested}
    assert rest == {
        "child_pugh =",
        "consent opt-in",
        "depression absent",
        "depression doubted",
        "depression unknown",
        "deceased is",
        "trials >=",
    }


def test_what_must_be_seen_now_closes() -> None:
    """No row that calls somebody now leaves drafting open."""
    urgent = [row for row in K.gates if row.urgency == "now"]
    assert {row.effect for row in urgent} == {"crisis", "out-of-scope"}


@pytest.mark.parametrize("row", [row for row in K.gates if row.urgency != "routine" and row.to], ids=name)
def test_what_is_urgent_is_told_whatever_closes(row: GateRow) -> None:
    """What a person must see now or today is told under a refused consent too."""
    effects = {"crisis", "escalate", "follow-up"}
    assert row.effect in effects or row.effect in ("out-of-scope", "insufficient-data")
    vector = adult(feature("lithium_level", 1.6), absent("epds_item10", "refused"))
    told = gates.evaluate(patient(MDD, consents=DENIED), vector, K, jurisdiction="US-MA")[1]
    assert {"GO16", "GI09"} <= {one.rule for one in told}


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


def consent(decision: Any, start: int | None = 100, end: int | None = None, by: int | None = None) -> ConsentDecision:
    """Return a decision with its period in days before today."""
    first, last, latest = (None if day is None else days_ago(day) for day in (start, end, by))
    return ConsentDecision(decision, f"AI use: {decision}", first, last, source("Consent/one"), latest)


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
        ((consent("permit", 5), consent("deny", 100, by=5)), "consent-withheld"),
        ((consent("permit", 5), consent("deny", 100, by=-20)), "consent-withheld"),
        ((consent("permit", 5), consent("deny", 100, by=6)), "open"),
    ],
)
def test_consent_is_withheld_by_the_newest_decision_in_force(decisions: Any, status: str) -> None:
    """The newest decision in force counts; a tie, an undated denial and an unreadable Consent withhold."""
    assert opened(patient(MDD, consents=decisions)).status == status


@pytest.mark.parametrize(
    ("place", "status", "notices"),
    [
        *(("US-NV", "jurisdiction", 1), ("us-nv ", "jurisdiction", 1), ("US-VT", "jurisdiction", 1)),
        *(("US-IL", "open", 1), ("US-TX", "open", 1), ("US", "open", 1), ("US-MA", "open", 0)),
        *(("DE", "open", 1), ("DE-BY", "open", 1), ("EU", "open", 1), ("CH", "open", 0), ("Nevada", "open", 1)),
    ],
)
def test_the_law_of_the_place_is_data(place: str, status: str, notices: int) -> None:
    """A place has the row of its state, else of the union that its country is in, else none; a name is no code."""
    gate = opened(patient(MDD), place=place)
    assert (gate.status, len(gate.reasons)) == (status, notices)


def test_no_jurisdiction_is_open_and_said() -> None:
    """Without a stated jurisdiction the gate is open and says that no law was checked."""
    gate = opened(patient(MDD), place=None)
    assert gate.status == "open"
    assert "No jurisdiction is stated" in gate.reasons[0]


CRISIS = {"phq9_item9": 1.0}
DENIED = (consent("deny"),)


@pytest.mark.parametrize(
    ("decisions", "status"),
    [
        ((), "consent-withheld"),
        ((consent("not-about-ai"),), "consent-withheld"),
        ((consent("permit"),), "open"),
        ((consent("permit", 100, 0),), "open"),
        ((consent("permit", 100, 1),), "consent-withheld"),
        ((consent("permit", -1),), "consent-withheld"),
        ((consent("permit", 5), consent("unreadable")), "consent-withheld"),
        ((consent("deny", 5), consent("permit", 100)), "consent-withheld"),
    ],
)
@pytest.mark.parametrize("state", ["supplied", "not-supplied"])
def test_a_site_that_opts_in_goes_on_only_with_a_permission(decisions: Any, status: str, state: Any) -> None:
    """With opt-in a permission in force opens, and nothing else does: no Consent and one for other purposes close."""
    chart = patient(MDD, consents=decisions, lists={"consents": state})
    gate, _ = gates.evaluate(chart, adult(), K, jurisdiction="US-MA", consent_default="opt-in")
    assert (gate.status, gate.silent) == (status, status != "open")


def test_the_law_may_ask_for_a_permission_that_the_site_does_not() -> None:
    """Where the law of a place asks for consent first, a site's opt-out does not go before it."""
    assert opened(patient(MDD), place="US-ME").status == "consent-withheld"
    assert opened(patient(MDD, consents=(consent("permit"),)), place="US-ME").status == "open"


def test_nothing_is_worked_out_in_a_crisis_either_without_consent() -> None:
    """A crisis is told under a refused consent and a closed jurisdiction, and says that nothing may be worked out."""
    for chart, place in ((patient(MDD, consents=DENIED), "US-MA"), (patient(MDD), "US-NV")):
        gate = opened(chart, adult(**CRISIS), place)
        assert (gate.status, gate.silent) == ("crisis", True)
    assert not opened(patient(MDD), adult(**CRISIS)).silent


def test_gates_close_in_their_order() -> None:
    """Crisis closes before consent, consent before the law, the law before scope, scope before thin data."""
    worst = patient(diagnosis("bipolar_disorder"), consents=DENIED, lists={"medications": "not-supplied"})
    agreed = replace(worst, consents=())
    assert opened(worst, adult(**CRISIS), "US-NV").status == "crisis"
    assert opened(worst, adult(), "US-NV").status == "consent-withheld"
    assert opened(agreed, adult(), "US-NV").status == "jurisdiction"
    assert opened(agreed, adult()).status == "out-of-scope"
    assert opened(replace(agreed, diagnoses=(MDD,))).status == "insufficient-data"


@pytest.mark.parametrize("key", ["suicide_attempt", "self_harm", "nonsuicidal_self_harm"])
@pytest.mark.parametrize(("days", "told"), [(3, {"now", "today"}), (400, {"routine"})])
def test_one_event_is_told_once(key: str, days: int, told: set[str]) -> None:
    """What calls the crisis team is not told to the prescriber beside it as an earlier one."""
    chart = patient(MDD, diagnosis(key, onset=days_ago(days), active=days < 90))
    escalations = gates.evaluate(chart, adult(), K, jurisdiction="US-MA")[1]
    assert len(escalations) == 1
    assert escalations[0].urgency in told


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


def test_a_doubted_depression_is_no_indication_and_is_named() -> None:
    """A depression that is not certain closes the gate until it is settled; a certain one beside it opens it."""
    doubted = diagnosis("mdd", certain=False)
    gate = opened(patient(doubted), adult(absent("depression")))
    assert (gate.status, "not confirmed" in gate.reasons[0]) == ("insufficient-data", True)
    assert opened(patient(doubted, diagnosis("dysthymia", "mdd")), adult(absent("depression"))).status == "open"


def test_a_doubted_bipolar_disorder_still_closes_and_says_so() -> None:
    """Bipolar disorder that is only suspected goes to a psychiatrist, with the doubt in the words."""
    gate = opened(patient(MDD, diagnosis("bipolar_disorder", certain=False)))
    assert gate.status == "out-of-scope"
    assert "not certain" in gate.reasons[0]


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


@pytest.mark.parametrize(
    ("drug", "rules"),
    [
        ("clozapine", {"GR01"}),
        ("lithium", {"GR02"}),
        ("phenelzine", {"GR03"}),
        ("selegiline", {"GR03"}),
        ("esketamine", {"GR04", "GR07"}),
        ("paliperidone_palmitate_1m", {"GR05"}),
        ("haloperidol_decanoate", {"GR06"}),
        ("lorazepam", {"GR07"}),
        ("pregabalin", {"GR07"}),
        ("sertraline", set[str]()),
        ("haloperidol", set[str]()),
        ("unobtainium", set[str]()),
    ],
)
def test_some_drugs_are_begun_by_people_only(drug: str, rules: set[str]) -> None:
    """Specialists' drugs, long-acting injections and controlled drugs have somebody who decides, others nobody."""
    assert {one.rule for one in gates.routes(drug, K)} == rules


def test_no_drug_with_a_route_is_ever_drafted() -> None:
    """A drug that a person must begin is never eligible, and its row is among its reasons."""
    found = assess(Adapted(patient(MDD), adult(), "test"), K, None).candidates
    routed = [one for one in found if K.routes.get(one.ingredient)]
    assert {"phenelzine", "esketamine", "zuranolone"} <= {one.ingredient for one in routed}
    for one in routed:
        assert one.verdict in ("not-draftable", "excluded")
        assert one.verdict == "excluded" or any(reason.rule.startswith("GR") for reason in one.reasons)
