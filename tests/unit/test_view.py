"""The words of the review page: what stands where, and what is never claimed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, State
from service.drafts.states import SIGNED
from service.errors import EhrFailed
from service.web import basis, chart, record, rendering, view, words
from tests.contract import samples

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BASE = samples.held_draft()
CITALOPRAM = {"ingredient": "citalopram", "since": "2026-08-30", "dose_mg_per_day": 20.0, "reasons": []}


def reason(severity: str, message: str, **more: Any) -> dict[str, Any]:
    """Return a rule's reason as a draft's context keeps it."""
    return {"severity": severity, "message": message, "source": "S-1", "verified": True, "unknown": False, **more}


def draft(rank: int = 0, state: State = "held", **context: Any) -> Draft:
    """Return a draft of one assessment, held two hours ago for three days."""
    made = NOW - timedelta(hours=2)
    return replace(
        BASE,
        id=f"draft-{rank}",
        rank=rank,
        ingredient=f"drug-{rank}",
        state=state,
        context=dumps({"option": f"Switch to drug-{rank} 50 mg a day", **context}),
        created=made,
        expires=made + timedelta(days=3),
        updated=NOW,
    )


def review(*drafts: Draft, now: datetime = NOW) -> view.Review:
    """Return the page of these drafts."""
    return view.review(drafts[0], drafts, now)


def test_no_change_is_always_one_of_the_options() -> None:
    """The last column is no change, with the present drug, its dose and its start."""
    page = review(draft(0, present=[CITALOPRAM]), draft(1, present=[CITALOPRAM]))
    assert [option.id for option in page.options] == ["draft-0", "draft-1", None]
    assert page.options[-1].label == "No change: stay on citalopram 20 mg a day"
    assert page.options[-1].order == "Citalopram since 30 Aug 2026"


def test_no_present_drug_is_said_as_such() -> None:
    """Without a present antidepressant no change says so; a dose that is not known is not a number."""
    assert review(draft()).options[-1].label == "No change: no antidepressant now"
    unknown = {**CITALOPRAM, "dose_mg_per_day": None}
    assert "citalopram, dose not known" in review(draft(present=[unknown])).options[-1].label


def test_figures_that_are_missing_are_said_to_be() -> None:
    """No estimate reads \"not estimated\", never zero; an estimate comes with its range."""
    known = {"remission": {"p": 0.194, "low": 0.141, "high": 0.261}}
    first, last = review(draft(predictions=known, no_change={})).options
    assert (first.remission, first.stops) == ("19 in 100 (14 to 26)", "not estimated")
    assert (last.remission, last.stops) == ("not estimated", "not estimated")


def test_what_is_serious_comes_first_and_is_never_folded_away() -> None:
    """Contraindications, then warnings, then the rest; all the serious ones are in sight, however many."""
    given = [reason("monitor", "m"), reason("caution", "c"), *(reason("warning", f"w{n}") for n in range(4))]
    option = review(draft(reasons=[*given, reason("contraindicated", "x"), reason("none", "n")])).options[0]
    assert [point.message for point in option.points] == ["x", "w0", "w1", "w2", "w3"]
    assert [point.message for point in option.more] == ["c", "m"]


def test_what_is_said_of_all_is_said_once() -> None:
    """A reason that every draft has stands above the options; what differs stays in its column."""
    same = reason("warning", "Replaces citalopram.")
    gap = reason("warning", "Ask.", unknown=True, missing="serum sodium", gap="is not on file")
    page = review(draft(0, reasons=[same, gap]), draft(1, reasons=[same, reason("caution", "Own.")]))
    assert [point.message for point in page.either_way] == ["Replaces citalopram."]
    assert [[point.message for point in option.points] for option in page.options] == [[], ["Own."], []]
    assert [list(option.unknown) for option in page.options] == [["serum sodium is not on file"], [], []]


def test_an_unverified_source_says_so() -> None:
    """A rule whose source nobody has checked is marked where it is shown."""
    option = review(draft(reasons=[reason("warning", "w", verified=False)])).options[0]
    assert (option.points[0].source, option.points[0].verified) == ("S-1", False)


def test_every_source_on_the_page_is_listed_once() -> None:
    """The list at the end has what each point stands on once, in order of appearance, and nothing for no source."""
    page = review(
        draft(
            reasons=[
                reason("warning", "a", source="A+B"),
                reason("caution", "b", source="B", verified=False),
                reason("caution", "c", source="A+B"),
                reason("monitor", "d", source=""),
            ]
        )
    )
    assert basis.sources(page) == ["A+B", "B"]


@pytest.mark.parametrize(
    ("text", "message", "source", "verified"),
    [
        ("QTc is not on file: above 450 ms the ceiling is 10 mg a day (L-ESC+T-2).",
         "QTc is not on file: above 450 ms the ceiling is 10 mg a day.", "L-ESC+T-2", True),
        ("eGFR of 2025-09-23 is too old: the start is 5 mg (T-VEN3, not verified).",
         "eGFR of 23 Sep 2025 is too old: the start is 5 mg.", "T-VEN3", False),
        ("Ask the pharmacist.", "Ask the pharmacist.", "", True),
    ],
)  # fmt: skip
def test_what_may_lower_a_dose_has_its_sources_apart(text: str, message: str, source: str, verified: bool) -> None:
    """The keys that end a sentence on a dose become a source of the page, and no key is left in the words."""
    (found,) = review(draft(dose={"pending": [text]})).options[0].pending
    assert (found.message, found.source, found.verified) == (message, source, verified)
    assert basis.sources(review(draft(dose={"pending": [text]}))) == ([source] if source else [])


def test_dates_of_rules_are_written_as_people_write_them() -> None:
    """No ISO date and no key of a row is left in a reason, a gap, a warning, an exclusion or what is to tell."""
    raw = "sodium is too old (2025-09-23)"
    page = review(
        draft(
            reasons=[reason("warning", "Ibuprofen since 2026-09-23: bleeding (SR123: ask)")],
            unknowns=[raw],
            warnings=["Assessed 2026-11-21."],
            ruled_out=[{"ingredient": "bupropion", "message": "Seizure (since 2019-10-10): do not use bupropion."}],
            to_tell=[{"to": "psychiatrist", "urgency": "today", "reason": "Seen 2026-11-20."}],
        )
    )
    (point,) = page.options[0].points
    assert point.message == "Ibuprofen since 23 Sep 2026: bleeding (ask)"
    assert page.unknowns == ["sodium is too old (23 Sep 2025)"]
    assert page.warnings == ["Assessed 21 Nov 2026."]
    assert page.ruled_out[0].why == "Seizure (since 10 Oct 2019)"
    assert page.to_tell == ["Psychiatrist (today): Seen 20 Nov 2026."]


def test_what_is_unknown_and_who_is_to_tell_is_named() -> None:
    """Missing inputs, what the gate could not check, and the people to tell are sentences on the page."""
    told = {"to": "crisis-team", "urgency": "today", "reason": "An answer needs a person."}
    page = review(draft(unknowns=["QTc is not on file"], unchecked=["Consent could not be read."], to_tell=[told]))
    assert page.unknowns == ["QTc is not on file", "Consent could not be read"]
    assert page.to_tell == ["Crisis team (today): An answer needs a person."]


def test_what_an_assessment_leaves_to_be_done_is_on_the_page_once() -> None:
    """The gate's warnings are the page's own; the prescriber who reads them is not told of them again."""
    told = [
        {"to": "prescriber", "urgency": "today", "reason": "Ask again."},
        {"to": "psychiatrist", "urgency": "routine", "reason": "Refer."},
    ]
    page = review(draft(warnings=["Ask again."], to_tell=told))
    assert page.warnings == ["Ask again."]
    assert page.to_tell == ["Psychiatrist (routine): Refer."]


def test_the_scores_carry_their_dates() -> None:
    """PHQ-9, the one before, and item 9 are shown with their dates, and a missing date is said."""
    facts = [
        {"name": "phq9_total", "value": 17.0, "effective": "2026-11-03"},
        {"name": "phq9_previous", "value": 19.0, "effective": "2026-08-30"},
        {"name": "phq9_item9", "value": 1.0},
    ]
    assert review(draft(facts=facts)).why == (
        "PHQ-9 17 on 3 Nov 2026 (earlier 19 on 30 Aug 2026). "
        "Item 9, thoughts of death or self-harm: answered 1 of 3, date not on record."
    )


def test_a_switch_names_what_it_is_meant_to_replace() -> None:
    """Only a switch replaces; adding or starting replaces nothing."""
    assert record.replaces({"step": "switch", "present": [CITALOPRAM]}) == "citalopram 20 mg a day"
    assert record.replaces({"step": "start", "present": [CITALOPRAM]}) == ""


def test_the_age_of_the_chart_is_said() -> None:
    """The page says when the chart was read, how long ago, and when the draft ends."""
    page = review(draft())
    assert (page.made, page.age) == ("22 Nov 2026, 10:00 UTC", "2 hours ago")
    assert page.held_until == "25 Nov 2026, 10:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "less than a minute ago"),
        (59, "less than a minute ago"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (86_400 * 2, "2 days ago"),
    ],
)
def test_ago_is_whole_and_never_in_the_future(seconds: int, said: str) -> None:
    """Ages are whole units, rounded down; a clock that is ahead makes no negative age."""
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_of_a_draft_has_words(state: State) -> None:
    """A draft is open, or the page says in words what became of it."""
    page = review(draft(state=state))
    ended = page.options[0].ended
    assert page.open == (ended is None) == (state in ("held", "presented", "accepted", "modified"))
    if ended is not None and state not in SIGNED:
        assert "order" in ended or "Closed" in ended


def test_time_that_ran_out_closes_a_draft_before_any_sweep() -> None:
    """Past its time a held draft cannot be decided on, even while the store still calls it held."""
    page = review(draft(), now=NOW + timedelta(days=3))
    assert not page.open
    assert page.options[0].ended == "Its time ran out unsigned. Nothing was ordered of it."


def test_the_alternatives_of_a_signed_draft_say_why_they_are_closed() -> None:
    """Beside a signed draft, a superseded one is closed by it; alone, by a changed chart. No tie is left."""
    beside = review(draft(0, "confirmed", ties="Tied."), draft(1, "superseded", ties="Tied."))
    assert beside.options[1].ended == "Closed: another option was signed."
    assert beside.ties == ""
    assert "chart has changed" in str(review(draft(0, "superseded")).options[0].ended)


@pytest.mark.parametrize("state", ["write-failed", "parked", "mismatch"])
def test_trouble_after_signing_says_not_to_order_again(state: State) -> None:
    """Where the write-back is in trouble, the page says what to do before anybody orders twice."""
    ended = str(review(draft(state=state)).options[0].ended)
    assert "Do not order it a second time" in ended or "Look" in ended


def test_drafts_of_an_earlier_assessment_are_not_on_the_page() -> None:
    """Only what was held on the same facts at the same moment stands together, in rank order."""
    here, beside = draft(1), draft(0)
    earlier = replace(draft(2), created=NOW - timedelta(days=4))
    other = replace(draft(3), facts="other")
    assert view.together(here, [earlier, here, beside, other]) == [beside, here]


def _order(**changes: Any) -> Mapping[str, str]:
    resource = samples.resource(
        status="active",
        intent="order",
        requester={"reference": "Practitioner/p1"},
        authoredOn="2026-11-22T10:42:00.000Z",
        identifier=[{"system": "s", "value": "number-1"}],
        **changes,
    )
    return dict(words.order_lines(dumps(resource)))


def test_the_order_is_read_from_its_own_bytes() -> None:
    """Dose as written and as coded stand apart; what the order does not state is said not to be."""
    lines = _order(dosageInstruction=[{**samples.dosage(50), "text": "take as discussed"}])
    assert (lines["Dose"], lines["Dose as coded"]) == ("take as discussed", "50 mg by mouth once every day")
    assert lines["Supply and repeats"] == "not stated in this order"
    assert lines["For"] == "not stated"
    assert lines["Ordered by"] == "Practitioner/p1"
    assert lines["Dated"] == "22 Nov 2026, 10:42 UTC"


def test_supply_is_shown_when_it_is_there() -> None:
    """Quantity and repeats are shown as the order has them; zero repeats is not the same as none stated."""
    supply = {"quantity": {"value": 28, "unit": "tablet"}, "numberOfRepeatsAllowed": 0}
    assert _order(dispenseRequest=supply)["Supply and repeats"] == "28 tablets, 0 repeats"
    assert _order(dispenseRequest={"quantity": {"value": 28}})["Supply and repeats"] == "28, repeats not stated"


PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
TODAY = date(2026, 11, 22)


def _strip(**fields: Any) -> chart.Person:
    return chart.strip(dumps({**PATIENT, **fields}), "Patient/p", TODAY)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ("no name on record", "birth date not recorded", "sex not recorded", "record p")),
        ({"birthDate": "1990-05"}, ("no name on record", "born 1990-05", "sex not recorded", "record p")),
        (
            {
                "name": [
                    {"use": "nickname", "text": "Al"},
                    {"use": "official", "given": ["Ana", "B"], "family": "Cruz"},
                ],
                "birthDate": "1963-11-23",
                "gender": "female",
                "identifier": [{"use": "old", "value": "1"}, {"value": "2"}, {"use": "usual", "value": "3"}],
            },
            ("Ana B Cruz", "born 23 Nov 1963 (62)", "female", "3"),
        ),
    ],
)
def test_the_patient_strip_says_what_is_on_record(fields: dict[str, Any], said: tuple[str, ...]) -> None:
    """Official name, birth date with age, sex and usual identifier; what is missing is said, not left out."""
    found = _strip(**fields)
    assert (found.name, found.born, found.gender, found.number) == said


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"\xff", dumps({**PATIENT, "id": "q"}), dumps({"resourceType": "Group"})]
)
def test_another_patient_than_asked_for_is_never_shown(raw: bytes) -> None:
    """An answer that is not that Patient is U-EHR-ANSWER: whose draft this is is not guessed."""
    with pytest.raises(EhrFailed) as error:
        chart.strip(raw, "Patient/p", TODAY)
    assert error.value.code == "U-EHR-ANSWER"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a b"),
        ("a\x00b\x1bc", "a b c"),
        ("Zo\u0308e \u0645\u06cc\u200c\u062e", "Zo\u0308e \u0645\u06cc\u200c\u062e"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_characters_that_hide_or_turn_text_are_taken_out(text: str, shown: str) -> None:
    """Control and direction marks become spaces; the joiners that some scripts need stay."""
    assert rendering.plain(text) == shown
