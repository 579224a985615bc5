"""Feedback: whether it comes, and whether it says what was done with a card of ours."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from conformance.checks import Check, Told, Untested, failed, passed
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.judging import Wrong, said, shown
from conformance.suites.cds_client.probe import Came, Json, Probe, as_list, as_object
from conformance.wording import counted

_GROUP = "feedback"
_SKEW = timedelta(seconds=60)


async def _sent(probe: Probe) -> Sequence[Told]:
    """Nobody has to give feedback; where a person says that a card was used, it has to come."""
    acted = probe.options.get("attested", {}).get("acted")
    found = probe.feedback_or_none
    if found:
        return passed(f"feedback came ({counted(len(found), 'request')})", *(one.number for one in found[:5]))
    if acted == "y":
        return failed(
            "a card was taken or overridden, and no feedback came",
            *(one.number for one in probe.calls[:1]),
            expected="POST {base}/cds-services/{id}/feedback",
            got="nothing",
            fix="switch on feedback for this service in the EHR: it is how the service learns what was done",
        )
    raise Untested("no feedback came, and nobody said that a card was taken or overridden")


def _items(probe: Probe, why: str, *outcomes: str) -> list[tuple[Came, int, Json]]:
    found = [row for row in probe.items() if not outcomes or row[2].get("outcome") in outcomes]
    if not found:
        raise Untested(why)
    return found


def _told(found: Sequence[tuple[Came, Wrong]], of: int, fine: str) -> Sequence[Told]:
    return said(found, of) or passed(f"{fine} ({of})")


async def _shape(probe: Probe) -> Sequence[Told]:
    wrong: list[tuple[Came, Wrong]] = []
    for one in probe.feedback:
        if not as_list(one.body.get("feedback")):
            wrong.append((one, Wrong("feedback is no object with a list of items", "$.feedback",
                                     'send {"feedback": [{"card": …, "outcome": …, "outcomeTimestamp": …}]}',
                                     "a list", shown(type(one.body.get("feedback")).__name__))))  # fmt: skip
    for one, n, item in probe.items():
        for name in ("card", "outcome", "outcomeTimestamp"):
            if not isinstance(item.get(name), str):
                wrong.append((one, Wrong(f"an item of feedback lacks {name}", f"$.feedback[{n}].{name}",
                                         f"send {name}", "a text", shown(item.get(name)))))  # fmt: skip
        if item.get("outcome") not in ("accepted", "overridden", None):
            wrong.append((one, Wrong("the outcome is neither accepted nor overridden", f"$.feedback[{n}].outcome",
                                     "send accepted or overridden", "accepted or overridden",
                                     shown(item.get("outcome")))))  # fmt: skip
    return _told(wrong, len(probe.feedback), "feedback has its items")


async def _card(probe: Probe) -> Sequence[Told]:
    cards, items = probe.given(), _items(probe, "no feedback named a card")
    wrong = [
        (one, Wrong("feedback names a card that was never given", f"$.feedback[{n}].card",
                    "keep the uuid of the card as it came, and send that", "the uuid of a card of this run",
                    shown(item.get("card"))))
        for one, n, item in items
        if (given := cards.get(str(item.get("card")))) is None or given[0].service != _service(one)
    ]  # fmt: skip
    return _told(wrong, len(items), "every item names a card of its service")


async def _accepted(probe: Probe) -> Sequence[Told]:
    cards = probe.given()
    items = _items(probe, "no card was accepted: take the suggestion of a card", "accepted")
    wrong: list[tuple[Came, Wrong]] = []
    for one, n, item in items:
        given = cards.get(str(item.get("card")))
        known = {str(s.get("uuid")) for s in as_list(given[1].get("suggestions"))} if given else set[str]()
        taken = [as_object(s).get("id") for s in as_list(item.get("acceptedSuggestions"))]
        if not taken or (given and not set(map(str, taken)) <= known):
            wrong.append((one, Wrong("an accepted card does not name the suggestion that was taken",
                                     f"$.feedback[{n}].acceptedSuggestions",
                                     'send [{"id": the uuid of the suggestion}]', "the uuid of a suggestion",
                                     shown(taken or None))))  # fmt: skip
    return _told(wrong, len(items), "accepted cards name the suggestion that was taken")


async def _reason(probe: Probe) -> Sequence[Told]:
    items = _items(probe, "no card was overridden: dismiss a card with a reason", "overridden")
    wrong: list[tuple[Came, Wrong]] = []
    for one, n, item in items:
        if "overrideReason" not in item:
            continue
        held = as_object(item["overrideReason"])
        reason = as_object(held.get("reason"))
        lacking = [name for name in ("code", "system") if not reason.get(name)]
        if (not reason and not held.get("userComment")) or (reason and lacking):
            wrong.append((one, Wrong("an override reason is empty, or its code has no system",
                                     f"$.feedback[{n}].overrideReason",
                                     "send the Coding of the card's reason, or of the EHR's own list, with its system; "
                                     "leave overrideReason out where there is none",
                                     "code and system",
                                     f"lacks {', '.join(lacking)}" if reason else "nothing")))  # fmt: skip
    return _told(wrong, len(items), "override reasons are Codings or words, or not given")


async def _time(probe: Probe) -> Sequence[Told]:
    cards, items = probe.given(), _items(probe, "no feedback had a time")
    wrong: list[tuple[Came, Wrong]] = []
    for one, n, item in items:
        text: Any = item.get("outcomeTimestamp")
        at = _instant(text)
        path, fix = f"$.feedback[{n}].outcomeTimestamp", "send the time of the user's act in UTC: 2026-11-22T10:45:00Z"
        if at is None:
            wrong.append(
                (one, Wrong("the time (outcomeTimestamp) is without a zone, or none", path, fix, "…Z", shown(text)))
            )
            continue
        given = cards.get(str(item.get("card")))
        if at > one.at + _SKEW or (given and at < given[0].at - _SKEW):
            got = "later than it was sent" if at > one.at + _SKEW else "before the card was given"
            wrong.append((one, Wrong("the time (outcomeTimestamp) is not between the card and the feedback", path, fix,
                                     "after the card, before now", got)))  # fmt: skip
        elif not str(text).endswith(("Z", "z", "+00:00")):
            wrong.append(
                (one, Wrong("the time (outcomeTimestamp) is not in UTC", path, fix, "…Z", shown(text)[-6:], "warn"))
            )
    return _told(wrong, len(items), "times are between the card and the feedback, in UTC")


async def _token(probe: Probe) -> Sequence[Told]:
    wrong: list[tuple[Came, Wrong]] = []
    for one in probe.feedback:
        if "problem" in one.token:
            wrong.append((one, Wrong("feedback came without a JWT", "Authorization",
                                     "send the JWT with feedback too", "Bearer", one.token["problem"])))  # fmt: skip
            continue
        aud: Any = as_object(one.token["claims"]).get("aud")
        if aud != one.url and one.url not in as_list(aud):
            wrong.append((one, Wrong("the audience (aud) of feedback is not its address", "JWT aud",
                                     f"make the JWT of feedback out to {one.url}: the service also takes its address "
                                     "without /feedback", one.url, shown(aud), "warn")))  # fmt: skip
    return _told(wrong, len(probe.feedback), "feedback has a JWT made out to its address")


def _service(one: Came) -> str:
    return one.url.rstrip("/").removesuffix("/feedback").rpartition("/")[2]


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text.upper() else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


CHECKS: tuple[Check[Probe], ...] = (
    Check("feedback.sent", "Feedback comes", _GROUP, must.F1, "degrades", "ehr-team", _sent),
    Check("feedback.token", "Feedback has a JWT", _GROUP, must.J1, "degrades", "ehr-team", _token),
    Check("feedback.shape", "Items of feedback", _GROUP, must.F2, "degrades", "ehr-team", _shape),
    Check("feedback.card", "The card", _GROUP, must.F3, "degrades", "ehr-team", _card),
    Check("feedback.accepted", "The suggestion that was taken", _GROUP, must.F4, "degrades", "ehr-team", _accepted),
    Check("feedback.reason", "The reason for an override", _GROUP, must.F5, "degrades", "ehr-team", _reason),
    Check("feedback.time", "The time", _GROUP, must.F6, "degrades", "ehr-team", _time),
)
