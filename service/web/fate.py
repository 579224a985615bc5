"""What became of a draft, in words: closed, or a signed order and where it is now."""

from dataclasses import dataclass

from service.drafts.canonical_json import load_object
from service.drafts.states import UNSIGNED
from service.drafts.store import Draft, Signature
from service.web.words import moment

# Said to whoever would otherwise order a second time.
WORDS = {
    "signed": "It waits to be written to the EHR. There is nothing more to do here.",
    "writing": "It is being written to the EHR now.",
    "written": "It is in the EHR and is being read back.",
    "confirmed": "It is in the EHR, and was read back unchanged.",
    "write-failed": "The EHR has not taken it yet; it is tried again by itself. Do not order it a second time.",
    "parked": "The EHR refused it, so it is not tried again. Look in the chart and tell your operators before "
    "you order anything.",
    "mismatch": "The EHR holds something else than what was signed. Look at the order in the chart now and tell "
    "your operators.",
    "overridden": "Rejected. Nothing was ordered of it.",
    "superseded": "Closed: the chart has changed since. Open the chart again for what holds now.",
    "withdrawn": "Withdrawn. Nothing was ordered of it.",
    "expired": "Its time ran out unsigned. Nothing was ordered of it.",
}
_BESIDE_A_SIGNED_ONE = "Closed: another option was signed."


@dataclass(frozen=True, slots=True)
class Placed:
    """A signed order: what it is, who signed it when, and where it is now."""

    label: str
    by: str
    at: str
    number: str
    where: str
    since: str
    settled: bool
    replaces: str


def placed(draft: Draft, signature: Signature, label: str, replaces: str) -> Placed:
    """Return where a signed order is; ``settled`` when it is in the EHR as signed."""
    requester = load_object(signature.order)["requester"]
    return Placed(
        label=label,
        by=requester.get("display") or requester["reference"],
        at=moment(signature.signed),
        number=signature.order_id,
        where=WORDS[draft.state],
        since=moment(draft.updated),
        settled=draft.state == "confirmed",
        replaces=replaces,
    )


def ended(draft: Draft, *, signed: bool) -> str:
    """Return why a draft cannot be decided on any more; ``signed``: another one of its assessment was."""
    if draft.state in UNSIGNED:
        return WORDS["expired"]
    if draft.state == "superseded" and signed:
        return _BESIDE_A_SIGNED_ONE
    return WORDS[draft.state]
