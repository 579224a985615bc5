"""The operators' view of the hold: rows for the command line, from any store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from service.drafts import advice
from service.drafts.canonical_json import instant
from service.drafts.commit import outbox_steps
from service.drafts.commit.settling import Word
from service.drafts.records import AuditEntry, Draft, OutboxEntry, Signature, State
from service.drafts.signature.order_gate import is_shown
from service.drafts.store import Store
from service.drafts.trail.verification import AuditReport
from service.ehr.client import EhrClient
from service.ehr.delivery import Delivery
from service.errors import BadRequest, Conflict

# Where a chain does not say in which mode an order was signed, it is looked for as both.
_EITHER: Final = ("sign-and-write", "document-only")
# States in which somebody may have something to do.
_TO_DO: Final = ("signed", "write-failed", "parked", "mismatch")


class Auditable(Protocol):
    """A store that can say how much it verified."""

    async def audit(self, jwks: Mapping[str, Any] | None = None) -> AuditReport:
        """Verify everything."""
        ...


async def list_drafts(
    store: Store, *, ehr: str | None = None, states: Sequence[State] | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return drafts, ended ones too, newest first, as rows without a patient's values.

    What stopped or fails has its ``code`` and what is ``to_do``.
    """
    found = await store.find(ehr=ehr, states=states, limit=limit)
    return [_row(draft) | (await _stuck(store, draft) if draft.state in _TO_DO else {}) for draft in found]


async def show_draft(store: Store, draft: str) -> dict[str, Any]:
    """Return one draft's row with its ``history`` and what is ``to_do``; NotFound U-DRAFT-UNKNOWN."""
    found, history = await store.read(draft), await store.history(draft)
    to_do = advice.steps(found.state, history, draft)
    return {**_row(found), "to_do": list(to_do), "history": [_entry(entry) for entry in history]}


async def release_draft(
    store: Store, draft: str, word: Word, by: str, reason: str, client_of: Callable[[str], EhrClient | None]
) -> Draft:
    """Release a stuck write-back on a named person's word, which the audit keeps with its reason.

    ``client_of`` gives a tenant's EHR, which is asked before an order is given up. BadRequest U-RELEASE-BY; Conflict
    U-DRAFT-STATE, U-RELEASE-WRITTEN, U-RELEASE-UNKNOWN; NotFound; EhrFailed where the EHR cannot say.
    """
    name, why = " ".join(by.split()), " ".join(reason.split())
    if not (len(name) <= 80 and len(why) <= 500 and is_shown(name) and is_shown(why)):
        raise BadRequest("U-RELEASE-BY", "say who releases it (--by, up to 80 letters) and why (--reason, up to 500)")
    found, detail = await store.read(draft), dict[str, Any](comment=why)
    if word == "revoked":
        detail["attempts"] = await check_not_there(store, found, client_of(found.ehr))
    return await store.settle(draft, word, f"operator:{name}", detail)


async def check_not_there(store: Store, draft: Draft, client: EhrClient | None) -> int:
    """Refuse to give up an order that the EHR may hold; returns how often it was tried.

    Conflict U-RELEASE-WRITTEN, U-RELEASE-UNKNOWN; Mismatch as ``Delivery.there``; EhrFailed where the EHR cannot say.
    """
    history, signature = await store.history(draft.id), await store.signature(draft.id)
    tried = sum(entry.event == "claimed" for entry in history)
    if signature is None or not outbox_steps.may_be_sent(history):
        return tried
    if client is None:
        raise Conflict("U-RELEASE-UNKNOWN", "it may be in an EHR that is not configured; put its [[ehr]] back first")
    sent = outbox_steps.signed_for(history)
    for mode in _EITHER if sent is None else (sent,):
        if await _delivery(client, signature, tried, mode).there():
            msg = "the EHR holds it; have it ended there, then release it with --resolved"
            raise Conflict("U-RELEASE-WRITTEN", msg)
    return tried


def _delivery(client: EhrClient, found: Signature, tried: int, mode: str) -> Delivery:
    """Return the write-back of a signature, to ask by; nothing of it is recorded."""
    order, provenance, ehr = found.order, found.provenance, client.ehr

    async def keep(_step: Mapping[str, str]) -> None: ...

    entry = OutboxEntry(found.draft, ehr.id, found.order_id, order, provenance, tried, "", {})
    return Delivery(client, entry, keep, mode, only_looks=True)


async def _stuck(store: Store, draft: Draft) -> dict[str, Any]:
    history = await store.history(draft.id)
    to_do = advice.steps(draft.state, history, draft.id)
    return {"code": advice.code(history), "to_do": list(to_do)} if to_do else {}


async def expire_drafts(store: Store) -> int:
    """End unsigned drafts past their time; returns how many."""
    return await store.expire()


async def verify(store: Auditable, jwks: Mapping[str, Any] | None = None) -> AuditReport:
    """Walk every chain and, with keys, check every signature."""
    return await store.audit(jwks)


def _row(draft: Draft) -> dict[str, Any]:
    return {
        "id": draft.id,
        "state": draft.state,
        "version": draft.version,
        "ehr": draft.ehr,
        "created": instant(draft.created),
        "expires": instant(draft.expires),
        "updated": instant(draft.updated),
        "ingredient": draft.ingredient,
    }


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": instant(entry.at),
        "event": entry.event,
        "actor": entry.actor,
        "detail": dict(entry.detail),
        "hash": entry.hash,
    }
