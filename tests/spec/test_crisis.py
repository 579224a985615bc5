"""Suicide screens: every row on both sides, and what later answers, assessments and attestations make of it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace as changed

from fhir_adapters.canonical import Adapted, FeatureVector, Measurement, Refusal, ScaleScore
from fhir_adapters.rating.scale_tables import suicide_answers
from recommender.assess import assess
from recommender.assessment import Attestation, Escalation, Gate
from recommender.catalog.rows import GateRow
from recommender.gate import gates
from recommender.ranker import model
from tests.factories import TODAY, absent, adult, days_ago, diagnosis, feature, patient, score, source
from tests.fixtures.resources import AS_OF, LOINC, SNOMED, adapted, concept, observation, response
from tests.spec.test_gates import MDD, SETTLING, K, name, sides

SCALES = [row for row in K.gates if row.reads.startswith("scale:") and row not in SETTLING]
ANSWERS = [row for row in SCALES if row.operator != "unreadable"]
UNREAD = [row for row in SCALES if row.operator == "unreadable"]
CRISES = [row for row in ANSWERS if row.effect == "crisis"]
SETTLED = [row for row in K.gates if row.assessed_by and row.effect == "crisis"]
WHOLE = {"cssrs_ideation": 0.0, "cssrs_behaviour": "none"}


def screened(days: int, **values: Any) -> FeatureVector:
    """Return a vector with a whole C-SSRS screener of so many days ago, all answered no unless given."""
    return adult(*(feature(key, value, days_ago(days)) for key, value in {**WHOLE, **values}.items()))


def judged(
    row: GateRow, *facts: Any, vector: FeatureVector | None = None, said: tuple[Attestation, ...] = (), **fields: Any
) -> tuple[Gate, tuple[Escalation, ...]]:
    """Return gate and escalations with this row, and what settles it, alone."""
    alone = replace(K, gates=(row, *SETTLING))
    chart = patient(MDD, *facts, **fields)
    return gates.evaluate(chart, vector or adult(), alone, jurisdiction="US-MA", attestations=said)


def positive(row: GateRow, when: date | None = TODAY, moment: str | None = None) -> ScaleScore:
    """Return an answer at the lower limit of a row."""
    scale, _, part = row.reads.partition(":")[2].partition("/")
    return changed(score(scale, part, float(row.value.split(";")[0]), when), moment=moment)


def answered(key: str, value: float, days: int) -> ScaleScore:
    """Return the answer to ``scale/part`` of so many days ago."""
    scale, _, part = key.partition("/")
    return score(scale, part, value, days_ago(days))


def fact(row: GateRow, days: int) -> Any:
    """Return what makes a crisis row hold, of so many days ago: an answer, or a problem with this onset."""
    kind, _, key = row.reads.partition(":")
    return diagnosis(key, onset=days_ago(days)) if kind == "condition" else positive(row, days_ago(days))


def attested(days: int = 0, result: Any = "may-open", review: int = -7, moment: str | None = None) -> Attestation:
    """Return a practitioner's word of so many days ago; the review lies ``-review`` days ahead."""
    return Attestation("Practitioner/one", days_ago(days), result, "the clinic nurse", days_ago(review), moment)


@pytest.mark.parametrize(
    ("row", "value", "expected"),
    [
        pytest.param(row, value, expected, id=f"{row.id} {value:g}")
        for row in ANSWERS
        for value, expected in sides(row, 1)
    ],
)
def test_each_answer_counts_on_its_own_side_only(row: GateRow, value: float, expected: bool) -> None:
    """An answer counts exactly on the side of its thresholds that its row names, and then somebody is told."""
    scale, _, part = row.reads.partition(":")[2].partition("/")
    gate, told = judged(row, score(scale, part, value))
    closed = "open" if row.effect == "escalate" else row.effect
    assert (gate.status, bool(told)) == ((closed, True) if expected else ("open", False))


@pytest.mark.parametrize("row", ANSWERS, ids=name)
def test_an_answer_counts_to_the_last_day_of_its_window(row: GateRow) -> None:
    """An answer counts up to the last day of its window and without a date; a month counts to its last day."""
    assert row.window_days is not None
    first = days_ago(row.window_days + 15).replace(day=1)
    month = changed(positive(row, first), source=changed(source("Observation/month"), repairs=("month-only",)))
    for answer, expected in (
        (positive(row, days_ago(row.window_days)), True),
        (positive(row, None), True),
        (positive(row, days_ago(row.window_days + 1)), False),
        (month, True),
    ):
        assert bool(judged(row, answer)[1]) is expected


@pytest.mark.parametrize("row", [row for row in ANSWERS if row.superseded_by], ids=name)
def test_a_later_administration_supersedes_an_answer(row: GateRow) -> None:
    """A whole later administration ends the alarm; the same day, an earlier one and one in part do not.

    Where intent, plan or behaviour was answered, drafting stays closed and a psychiatrist is told.
    """
    answer = positive(row, days_ago(10))
    part = next((key for key in row.superseded_by if "/" in key), None)
    before = judged(row, answer)[0].status
    for days, ended in ((10, False), (11, False), (9, True)):
        newer = [answered(part, 0, days)] if part else []
        vector = adult() if part else screened(days)
        gate, told = judged(row, answer, *newer, vector=vector)
        if not ended:
            assert gate.status == before
        elif row.effect == "crisis" and not row.reopens:
            assert (gate.status, [one.to for one in told]) == ("out-of-scope", ["psychiatrist"])
            assert str(days_ago(10 - (row.window_days or 0) - 1)) in gate.reasons[0]
        else:
            assert (gate, told) == (Gate("open"), ())


@pytest.mark.parametrize("part", ["q3_method_no_intent", "q4_intent_no_plan", "q5_plan_and_intent"])
def test_one_later_answer_is_no_administration(part: str) -> None:
    """A single later no to a C-SSRS question leaves an earlier yes standing: the form was not given whole."""
    answers = score("cssrs_screener", part, 1, days_ago(10)), score("cssrs_screener", part, 0, days_ago(2))
    vector = adult(feature("cssrs_ideation", 0.0, days_ago(2)))
    gate, _ = gates.evaluate(patient(MDD, *answers), vector, K, jurisdiction=None)
    assert gate.status == "crisis"


def test_a_newer_positive_answer_is_never_superseded_by_an_older_negative_one() -> None:
    """Of two administrations the later one counts, whatever the order in the record."""
    answers = score("phq9", "item9_self_harm", 0, days_ago(10)), score("phq9", "item9_self_harm", 1, days_ago(2))
    assert gates.evaluate(patient(MDD, *answers), adult(), K, jurisdiction=None)[0].status == "crisis"


@pytest.mark.parametrize("row", SETTLED, ids=name)
@pytest.mark.parametrize("how", ["assessment", "attestation"])
def test_an_assessment_afterwards_opens_again_or_keeps_closed(row: GateRow, how: str) -> None:
    """After a human assessment drafting opens with a warning, small quantities and a named follow-up.

    Intent, plan and behaviour within three months stay closed, quietly; an assessment before changes nothing.
    """
    for days, later in ((4, True), (6, False)):
        measured = Measurement("suicide_risk_assessment", "done", None, days_ago(days), source("Observation/assessed"))
        given: dict[str, Any] = {"said": (attested(days),)} if how == "attestation" else {"measurements": (measured,)}
        vector = adult(feature("phq9_item9", 1.0, days_ago(5))) if row.reads.startswith("feature") else None
        facts = () if vector else (fact(row, 5),)
        gate, told = judged(row, *facts, vector=vector, **given)
        if not later:
            assert gate.status == "crisis"
        elif row.reopens:
            assert (gate.status, gate.supply_days) == ("open", 7)
            assert [(one.to, one.urgency, one.rule) for one in told] == [("prescriber", "today", "GF01")]
            assert gate.warnings == (told[0].reason,)
            assert ("the clinic nurse on" if how == "attestation" else "within 7 days") in gate.warnings[0]
        else:
            assert (gate.status, gate.supply_days) == ("out-of-scope", None)
            assert [(one.to, one.urgency, one.rule) for one in told] == [("psychiatrist", "routine", "GF02")]


@pytest.mark.parametrize(
    ("performed", "outcome", "status"),
    [("2026-11-21", None, "open"), ("2026-11-19", None, "crisis"), ("2026-11-21", "stays-closed", "crisis")],
)
def test_an_assessment_in_the_chart_opens_again_from_fhir(performed: str, outcome: str | None, status: str) -> None:
    """A later Procedure of a suicide risk assessment opens drafting, an earlier or a closing one does not."""
    decided = concept("https://undersign.dev/fhir/CodeSystem/attestation-result", outcome) if outcome else {}
    person = {"subject": {"reference": "Patient/p1"}, "status": "completed", "id": "done"}
    done = {"resourceType": "Procedure", "code": concept(SNOMED, "225337009"), **person, "outcome": decided}
    item = observation("item", "44260-8", "2026-11-20", valueQuantity={"value": 1, "code": "{score}"})
    found = adapted(item, {**done, "performedDateTime": performed}).patient
    row = next(row for row in K.gates if row.id == "GC02")
    assert judged(row, *found.scales, measurements=found.measurements)[0].status == status


MORNING, EVENING = f"{TODAY}T08:00:00+00:00", f"{TODAY}T18:00:00+00:00"


@pytest.mark.parametrize(
    ("answered", "assessed", "status"),
    [
        (MORNING, EVENING, "open"),
        (EVENING, MORNING, "crisis"),
        (MORNING, None, "crisis"),
        (None, EVENING, "crisis"),
        (None, None, "crisis"),
    ],
)
def test_a_recorded_assessment_of_the_same_day_counts_by_the_clock(
    answered: str | None, assessed: str | None, status: str
) -> None:
    """An assessment of the same day counts only where both instants are known and it is the later one."""
    row = next(row for row in K.gates if row.id == "GC06")
    done = Measurement("suicide_risk_assessment", "done", None, TODAY, source("Observation/done"), None, assessed)
    assert judged(row, positive(row, TODAY, answered), measurements=(done,))[0].status == status


def test_a_whole_columbia_screener_of_the_same_day_looks_into_item_9() -> None:
    """A whole C-SSRS without a positive answer on the day of a positive item 9 opens, with the warning."""
    item = score("phq9", "item9_self_harm", 1, days_ago(3))
    gate, _ = gates.evaluate(patient(MDD, item), screened(3), K, jurisdiction="US-MA")
    assert (gate.status, len(gate.warnings)) == ("open", 1)


def test_a_columbia_screener_never_settles_its_own_answers() -> None:
    """A screener with method, intent or behaviour is a crisis, though it is itself a whole assessment."""
    for part in ("q3_method_no_intent", "q4_intent_no_plan", "q6b_past_3_months"):
        chart = patient(MDD, score("cssrs_screener", part, 1), score("phq9", "item9_self_harm", 1))
        assert gates.evaluate(chart, screened(0, cssrs_ideation=4.0), K, jurisdiction=None)[0].status == "crisis"


def test_how_to_dispense_is_no_word_beside_a_closed_gate() -> None:
    """What an assessment leaves to be done is told where drafting is open again, and not beside another closing."""
    chart = patient(MDD, diagnosis("bipolar_disorder"), score("phq9", "item9_self_harm", 1, days_ago(3)))
    gate, told = gates.evaluate(chart, adult(), K, jurisdiction="US-MA", attestations=[attested()])
    assert (gate.status, [one.rule for one in told]) == ("out-of-scope", ["GO03"])


def test_an_attestation_covers_what_has_no_date() -> None:
    """An undated positive answer stays a crisis whatever was recorded, and is settled by a practitioner's word."""
    row = next(row for row in K.gates if row.id == "GC02")
    done = Measurement("suicide_risk_assessment", "done", None, TODAY, source("Observation/done"))
    undated, newer = positive(row, None), positive(row, days_ago(1))
    assert judged(row, undated, vector=screened(0), measurements=(done,))[0].status == "crisis"
    assert judged(row, undated, said=(attested(),))[0].status == "open"
    assert judged(row, undated, newer, said=(attested(3),))[0].status == "crisis"
    older = positive(row, days_ago(20))
    assert judged(row, older, vector=screened(10))[0].status == "open"
    assert judged(row, undated, older, vector=screened(10))[0].status == "crisis"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ((attested(3),), "open"),
        ((attested(3, "stays-closed"),), "out-of-scope"),
        ((attested(3, "stays-closed"), attested(1)), "open"),
        ((attested(3), attested(1, "stays-closed")), "out-of-scope"),
        ((attested(1), attested(1, "stays-closed")), "out-of-scope"),
        ((attested(1, moment=EVENING), attested(1, "stays-closed", moment=MORNING)), "open"),
        ((attested(-1),), "crisis"),
        ((attested(6),), "crisis"),
        ((), "crisis"),
    ],
)
def test_the_last_word_of_a_practitioner_counts(said: Any, status: str) -> None:
    """The newest attestation up to today decides; of two of one day that nothing orders, the closing one."""
    row = next(row for row in K.gates if row.id == "GC02")
    assert judged(row, positive(row, days_ago(5)), said=said)[0].status == status


def test_a_practitioner_may_close_without_any_screen() -> None:
    """An attestation that keeps drafting closed does so for a patient without a positive answer too."""
    gate, told = gates.evaluate(
        patient(MDD), adult(), K, jurisdiction="US-MA", attestations=[attested(2, "stays-closed")]
    )
    assert (gate.status, [one.rule for one in told]) == ("out-of-scope", ["GF03"])


def test_of_two_words_of_one_minute_the_later_one_is_followed() -> None:
    """A page tells minutes: who corrects a word within one is followed, and not the word before."""
    row = next(row for row in K.gates if row.id == "GC02")
    first, second = (attested(10, review=review, moment=MORNING) for review in (3, 4))
    gate, _ = judged(row, positive(row, days_ago(12)), said=(first, second))
    assert str(days_ago(4)) in gate.warnings[0]
    assert str(days_ago(3)) not in gate.warnings[0]


def test_an_overdue_review_is_said() -> None:
    """The follow-up that an attestation named is said to be overdue once its day has passed."""
    row = next(row for row in K.gates if row.id == "GC02")
    gate, _ = judged(row, positive(row, days_ago(12)), said=(attested(10, review=3),))
    assert f"the review by the clinic nurse on {days_ago(3)} is overdue" in gate.warnings[0]


def test_drafts_after_an_assessment_are_small_and_say_why() -> None:
    """A reopened draft carries a supply of seven days without repeats and the warning in its note."""
    item = score("phq9", "item9_self_harm", 1, days_ago(3))
    found = assess(Adapted(patient(MDD, item), adult(), "test"), K, model.load(), attestations=[attested(1)])
    assert found.drafts
    for draft in found.drafts:
        assert draft["dispenseRequest"]["expectedSupplyDuration"]["value"] == 7
        assert draft["dispenseRequest"]["numberOfRepeatsAllowed"] == 0
        assert found.gate.warnings[0] in draft["note"][0]["text"]
    for draft in assess(Adapted(patient(MDD), adult(), "test"), K, model.load()).drafts:
        assert draft["dispenseRequest"]["expectedSupplyDuration"]["value"] == 28


@pytest.mark.parametrize("row", UNREAD, ids=name)
def test_an_unreadable_answer_is_asked_for_today(row: GateRow) -> None:
    """An answer that cannot be read closes and is asked for today, unless it was answered since or is old."""
    key = row.reads.partition(":")[2]
    window = row.window_days or 0

    def lost(when: date | None, reason: str = "value-is-text") -> Refusal:
        return Refusal("Observation/lost", "value", reason, key.replace("/", "."), when)

    later = answered(key, 0, 1)
    cases: list[tuple[Refusal, tuple[ScaleScore, ...], bool]] = [
        (lost(days_ago(2)), (), True),
        (lost(None), (), True),
        (lost(days_ago(window)), (), True),
        (lost(days_ago(window + 1)), (), False),
        (lost(days_ago(2)), (later,), False),
        (lost(days_ago(1)), (later,), True),
        (lost(days_ago(2), "entered-in-error"), (), False),
        (lost(days_ago(2), "data-absent:asked-declined"), (), False),
        (lost(days_ago(2), "item-missing"), (), False),
    ]
    for refusal, answers, expected in cases:
        gate, told = judged(row, *answers, refusals=(refusal,))
        assert gate.status == ("insufficient-data" if expected else "open")
        assert [(one.to, one.urgency) for one in told] == ([("prescriber", "today")] if expected else [])


def test_every_answer_that_calls_somebody_counts_while_it_is_unfinished() -> None:
    """The answers that a newer unfinished one takes the place of are those of these rows, and question 6."""
    told = {row.reads.removeprefix("scale:").replace("/", ".") for row in K.gates if row.reads.startswith("scale:")}
    assert told | {"cssrs_screener.q6_behaviour"} == suicide_answers()


@pytest.mark.parametrize(
    "row", [row for row in K.gates if row.effect == "insufficient-data" and row.assessed_by], ids=name
)
def test_an_assessment_answers_what_could_not_be_read(row: GateRow) -> None:
    """What could not be read no longer closes once a person has assessed the patient."""
    kind, _, key = row.reads.partition(":")
    vector = adult(absent(key, "refused", days_ago(5))) if kind == "feature" else adult()
    lost = Refusal("Observation/lost", "value", "value-is-text", key.replace("/", "."), days_ago(5))
    facts = (fact(row, 5),) if kind == "condition" or row.operator == ">=" else ()
    assert judged(row, *facts, vector=vector, refusals=(lost,))[0].status == "insufficient-data"
    assert judged(row, *facts, vector=vector, refusals=(lost,), said=(attested(4),))[0].status == "open"


def test_a_missing_or_old_item_9_is_asked_for_and_alarms_nobody() -> None:
    """Without a present item 9 the gate is open with a notice; a whole C-SSRS since makes the notice needless."""
    left_out = changed(absent("phq9_item9", "refused", days_ago(9)), reason="item-missing")
    for gap in (absent("phq9_item9"), absent("phq9_item9", "stale", days_ago(120)), left_out):
        gate, told = gates.evaluate(patient(MDD), adult(gap), K, jurisdiction="US-MA")
        assert (gate.status, len(gate.reasons), told) == ("open", 1, ())
        assert "ask about thoughts of death" in gate.reasons[0]
        since = [feature(key, value, days_ago(5)) for key, value in WHOLE.items()]
        assert gates.evaluate(patient(MDD), adult(gap, *since), K, jurisdiction="US-MA")[0] == Gate("open")


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


def test_every_crisis_row_calls_the_crisis_team_and_scores_nobody() -> None:
    """No crisis is told to nobody or as routine, and none speaks of a score, of low, moderate or high risk."""
    for row in [row for row in K.gates if row.effect == "crisis"]:
        assert (row.to, row.urgency in ("now", "today")) == ("crisis-team", True)
        assert not any(word in row.message.lower() for word in ("score", "high risk", "moderate", "low risk"))


COLUMBIA = ("93246-7", "93247-5", "93248-3", "93249-1", "93250-9", "93267-3", "93269-9")
_NO, _YES = concept(LOINC, "LA32-8")["coding"][0], concept(LOINC, "LA33-6")["coding"][0]


def columbia(identity: str, when: str, yes: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Any:
    """Return a C-SSRS screener as a QuestionnaireResponse, answered no unless given."""
    asked = [code for code in COLUMBIA if code not in without]
    answers = {f"/{code}": {"valueCoding": _YES if code in yes else _NO} for code in asked}
    return response(identity, answers, authored=when)


@pytest.mark.parametrize(
    ("resources", "status"),
    [
        ((columbia("a", "2026-11-10"),), "open"),
        ((columbia("a", "2026-11-01", ("93247-5", "93248-3")),), "crisis"),
        ((columbia("a", "2026-11-01", ("93247-5", "93248-3")), columbia("b", "2026-11-10")), "open"),
        ((columbia("a", "2026-11-01", ("93247-5", "93249-1")), columbia("b", "2026-11-10")), "out-of-scope"),
        ((columbia("a", "2026-11-10"), columbia("b", "2026-11-01", ("93247-5", "93249-1"))), "out-of-scope"),
        ((columbia("a", "2026-11-01", ("93247-5",), ("93248-3",)),), "insufficient-data"),
        (
            (columbia("a", "2026-11-01", ("93247-5", "93248-3")), columbia("b", "2026-11-10", (), COLUMBIA[1:])),
            "crisis",
        ),
        ((observation("i", "44260-8", valueInteger=2, effectiveDateTime="2026-11-01"),), "crisis"),
        (
            (observation("i", "44260-8", valueInteger=2, effectiveDateTime="2026-11-01"), columbia("b", "2026-11-02")),
            "open",
        ),
        ((observation("i", "44260-8", valueString="see note", effectiveDateTime="2026-11-01"),), "insufficient-data"),
    ],
)
def test_real_resources_are_judged_as_their_facts(resources: Any, status: str) -> None:
    """Screens read from FHIR close and open as the rows say, whatever their order in the record."""
    found = adapted(*resources)
    base = adult().features
    vector = FeatureVector("Patient/p", AS_OF, "test", {**base, **{
        key: one for key, one in found.features.features.items() if key.startswith(("cssrs", "epds_item", "phq9_item"))
    }})  # fmt: skip
    chart = replace(patient(MDD), scales=found.patient.scales, refusals=found.patient.refusals)
    gate, _ = gates.evaluate(chart, vector, K, jurisdiction="US-MA")
    assert gate.status == status


def test_the_tables_hold_rows_for_each_of_these() -> None:
    """Every table of this page has rows: none passes because it is empty."""
    assert min(map(len, (ANSWERS, UNREAD, CRISES, SETTLED))) >= 7
