"""What became of a draft, in words: closed, or an order, signed here or accepted in the EHR, and where it is now."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_adapters.dialect.profile import Profile
from service.drafts.canonical_json import load_object
from service.drafts.records import Draft, Signature
from service.drafts.states import UNSIGNED
from service.web.words import moment

# Said to whoever would otherwise order a second time.
WORDS = {
    "signed": "It waits to be written to the EHR. There is nothing more to do here.",
    "writing": "It is being written to the EHR now.",
    "written": "It is in the EHR and is being read back.",
    "awaiting-ehr-signature": "It is not in force yet: it waits in the EHR to be signed or entered there. Do not order "
    "it a second time.",
    "confirmed": "It is in the EHR, and was read back unchanged.",
    "write-failed": "The EHR has not taken it yet; it is tried again by itself. Do not order it a second time.",
    "parked": "It stopped and is not tried again: the EHR refused it, or nobody signed or entered it there in time. "
    "Look in the chart and tell your operators before you order anything.",
    "mismatch": "The EHR holds something else than what was signed. Look at the order in the chart now and tell "
    "your operators.",
    "overridden": "Rejected. Nothing was ordered of it.",
    "superseded": "Closed: the chart has changed since. Open the chart again for what holds now.",
    "withdrawn": "Withdrawn. Nothing was ordered of it.",
    "revoked": "Taken back before it was written to the EHR. Nothing was ordered of it.",
    "expired": "Its time ran out unsigned. Nothing was ordered of it.",
}
_NOT_FOUND = (
    "It was accepted in the EHR, and no signed order of it was found there in time. Look in the chart before you "
    "order anything."
)
_BESIDE_ANOTHER = "Closed: the EHR has another order of this drug."
# Nothing of the order is in the EHR yet, or the EHR is asked first (service.drafts.decision.revoking).
REVOCABLE = ("signed", "write-failed", "parked")
_AFTER_WAITING = {"expired": _NOT_FOUND, "superseded": _BESIDE_ANOTHER}
_BESIDE_A_SIGNED_ONE = "Closed: another option was signed."


@dataclass(frozen=True, slots=True)
class Placed:
    """An order: what it is, who signed it here and when (empty where the EHR alone signs), and where it is now."""

    head: str
    label: str
    by: str
    at: str
    number: str
    where: str
    since: str
    settled: bool
    replaces: str
    draft: str
    revocable: bool


def placed(
    draft: Draft, signature: Signature | None, label: str, replaces: str, profile: Profile | None = None
) -> Placed:
    """Return where an order is; ``settled`` when it is in force in the EHR as it was decided."""
    requester: Mapping[str, str] = load_object(signature.order)["requester"] if signature else {}
    return Placed(
        head="Signed" if signature else "Accepted in the EHR",
        label=label,
        by=requester.get("display") or requester.get("reference", ""),
        at=moment(signature.signed, profile) if signature else "",
        number=signature.order_id if signature else "",
        where=WORDS[draft.state],
        since=moment(draft.updated, profile),
        settled=draft.state == "confirmed",
        replaces=replaces,
        draft=draft.id,
        revocable=draft.state in REVOCABLE,
    )


def ended(draft: Draft, *, signed: bool, awaited: bool = False) -> str:
    """Return why a draft cannot be decided on any more.

    ``signed``: another one of its assessment was; ``awaited``: it had been accepted in the EHR.
    """
    if awaited and draft.state in _AFTER_WAITING:
        return _AFTER_WAITING[draft.state]
    if draft.state in UNSIGNED:
        return WORDS["expired"]
    if draft.state == "superseded" and signed:
        return _BESIDE_A_SIGNED_ONE
    return WORDS[draft.state]
