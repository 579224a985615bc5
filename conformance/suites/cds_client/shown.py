"""What the user sees of a card: attested by a person, since no request tells; the link tells by itself."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import urlsplit

from conformance.checks import Check, Consequence, Requirement, Told, Untested, failed, passed
from conformance.listening.answers import SHOWN
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.probe import Probe

_GROUP = "card"
# What a person is asked at the end of a run on a terminal, by check; ``acted`` decides about feedback.
QUESTIONS: Mapping[str, str] = {
    "card.shown": "Was the card of this run shown to the user?",
    "card.markdown": "Was its table shown as a table, and äöü ñ ≥ as letters?",
    "card.suggestions": "Was its suggestion shown as a button, or as something to take?",
    "card.reasons": "Were its two reasons offered when the card was dismissed?",
    "card.link": "Did its link open a page?",
    "acted": "Was a suggestion taken, or a card overridden?",
}
_FIXES = {
    "card.shown": "let the EHR show the cards of this service where the user works",
    "card.markdown": "show detail as GitHub-flavoured Markdown, in Unicode",
    "card.suggestions": "show suggestions as buttons: without them a draft cannot be taken from a card",
    "card.reasons": "offer the card's overrideReasons when it is dismissed",
    "card.link": "let the user's browser reach the listener, and open the card's links",
}
_UNSAID = "nobody said so: answer the questions at the end of a run on a terminal"


def _attested(id_: str, fine: str, bad: str) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        answered = [one for one in probe.calls if one.cards]
        if not answered:
            raise Untested("no call was answered with a card")
        said = probe.options.get("attested", {}).get(id_)
        numbers = tuple(one.number for one in answered[:1])
        if said == "y":
            return passed(f"{fine}, as a person attested", *numbers)
        if said == "n":
            return failed(f"{bad}, as a person attested", *numbers, path="$.cards[0]", fix=_FIXES[id_])
        raise Untested(_UNSAID, numbers)

    return check


async def _link(probe: Probe) -> Sequence[Told]:
    opened = [one.number for one in probe.came if urlsplit(one.url).path == SHOWN]
    if opened:
        return passed("the link of the card was opened", *opened[:5])
    return await _attested("card.link", "the link opened", "the link did not open")(probe)


def _check(id_: str, title: str, must_: Requirement, fine: str, bad: str, consequence: Consequence) -> Check[Probe]:
    return Check(id_, title, _GROUP, must_, consequence, "ehr-team", _attested(id_, fine, bad))


CHECKS: tuple[Check[Probe], ...] = (
    _check("card.shown", "The card is shown", must.S1, "the card was shown", "the card was not shown", "degrades"),
    _check("card.markdown", "Markdown", must.S2, "Markdown was shown as such", "Markdown was not shown as such",
           "degrades"),
    _check("card.suggestions", "Suggestions", must.S4, "the suggestion could be taken", "no suggestion was shown",
           "degrades"),
    Check("card.link", "Links", _GROUP, must.S3, "degrades", "ehr-team", _link),
    _check("card.reasons", "Override reasons", must.S5, "the reasons were offered", "the reasons were not offered",
           "information"),
)  # fmt: skip
