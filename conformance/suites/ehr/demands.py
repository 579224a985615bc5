"""Why an EHR takes no order: what its rules say of which element, and what that leaves a site to do."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from conformance.checks import Told, Verdict
from conformance.exchanges import Exchange
from conformance.suites.ehr.answers import issue_words

# The elements of the orders that the service writes (docs/cds-hooks.md); a site may demand others.
WRITTEN = frozenset(
    {"identifier", "status", "intent", "medicationCodeableConcept", "medication", "subject", "authoredOn", "requester"}
    | {"reasonCode", "reasonReference", "supportingInformation", "note", "dosageInstruction", "dispenseRequest"}
    | {"basedOn", "meta"}
)
CARD = (
    'until then, in the settings: [[ehr]] write_back = "card", and in the profile: '
    '[writing] refuses = ["unsigned-order", "sign-and-write"]'
)
_MOST = 4
_PLACE = re.compile(r"MedicationRequest[./](?:f:)?([a-zA-Z]+)")


def refusal(answer: Exchange, said: str, verdict: Verdict, otherwise: str) -> Sequence[Told]:
    """Return a finding an element that the EHR's rules name, with its own words; one with ``otherwise`` for none."""
    shown = f"{answer.status} {issue_words(answer.object())}".strip()
    found = demanded(answer)
    if not found:
        return (Told(verdict, said, "201", shown, "$", otherwise, exchanges=(answer.number,)),)
    return tuple(
        Told(verdict, f"{said}: the EHR has a rule for MedicationRequest.{name}", "201", f"{answer.status} {words}",
             f"$.{name}", _fix(name), exchanges=(answer.number,))
        for name, words in list(found.items())[:_MOST]
    )  # fmt: skip


def demanded(answer: Exchange) -> Mapping[str, str]:
    """Return the elements of an order that an OperationOutcome's issues name, each with what is said of it."""
    found: dict[str, str] = {}
    for issue in answer.list("issue") or ():
        words = issue_words({"issue": [issue]})
        for place in (*_texts(issue.get("expression")), *_texts(issue.get("location")), words):
            named = _PLACE.search(place)
            if named and issue.get("severity") in (None, "error", "fatal"):
                found.setdefault(named[1], words)
                break
    return found


def _fix(name: str) -> str:
    if name in WRITTEN:
        return f"let the EHR take what the service writes in {name} (its words are under got); {CARD}"
    return f"make {name} optional for this client, for the service's orders have none; {CARD}"


def _texts(value: Any) -> list[str]:
    return [str(one) for one in cast("list[Any]", value)] if isinstance(value, list) else []
