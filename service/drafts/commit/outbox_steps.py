"""The steps of the outbox: one row a signature, queued in the signature's own commit, worked under a lease.

``due`` is when the row may next be taken: at once after signing, when the lease runs out while somebody works
on it, later after a failed write, never (None) once it is ended. ``lease`` is the fencing token of the last
claim.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import instant
from service.drafts.commit.steps import record
from service.drafts.commit.transaction import Outbox, Transaction
from service.drafts.records import AuditEntry, OutboxEntry
from service.drafts.states import Event
from service.errors import Conflict, NotFound

# The step that makes a write-back ``written``: its value is the reference of the order that the EHR made.
ORDER_STEP: Final = "order"
# The step before a create is sent: its value is the mode of write-back that it is sent in.
SENT_STEP: Final = "sent"
# What ``given`` of ``signed`` calls that mode.
MODE: Final = "mode"
# What a store that was put back from a backup stops an order with: what became of it since, it has forgotten.
RESTORED: Final = "U-STORE-RESTORED"
# What stops an order whose acknowledged revocation a failover lost, and that was tried again meanwhile.
LOST: Final = "U-RECEIPT-LOST"
_EARLIER: Final = "sign-and-write"

Finish = Literal["confirmed", "awaiting-ehr-signature", "write-failed", "mismatch", "parked"]


def claim(tx: Transaction, lease_s: int, without: Collection[str] = ()) -> OutboxEntry | None:
    """Take the next write-back whose time has come, under a new lease; none of the tenants in ``without``."""
    draft = tx.next_due(without)
    return None if draft is None else claim_one(tx, draft, lease_s)


def claim_one(tx: Transaction, draft: str, lease_s: int) -> OutboxEntry:
    """Take the write-back of a draft under a new lease, due or not; NotFound U-OUTBOX-UNKNOWN."""
    held, row, signature = tx.draft(draft), tx.outbox(draft), tx.signature(draft)
    if row is None or signature is None:
        raise NotFound("U-OUTBOX-UNKNOWN", "this draft has no write-back")
    due, lease, attempts = instant(tx.now + timedelta(seconds=lease_s)), str(uuid4()), row.attempts + 1
    tx.put_outbox(draft, Outbox(due, attempts, lease, row.progress))
    record(tx, held, "claimed", SERVICE_ACTOR, {"attempt": attempts, "lease": lease, "due": due})
    return OutboxEntry(
        draft=draft,
        ehr=held.draft.ehr,
        order_id=signature.order_id,
        order=signature.order,
        provenance=signature.provenance,
        attempts=attempts,
        lease=lease,
        progress=row.progress,
    )


def progress(tx: Transaction, entry: OutboxEntry, step: Mapping[str, str]) -> None:
    """Add a finished step; ``order`` makes the draft ``written``; the same step again changes nothing."""
    row = _leased(tx, entry)
    if row.progress == {**row.progress, **step}:
        return
    held = tx.draft(entry.draft)
    event = "written" if ORDER_STEP in step and held.draft.state == "writing" else "progressed"
    tx.put_outbox(entry.draft, replace(row, progress={**row.progress, **step}))
    record(tx, held, event, SERVICE_ACTOR, {"step": dict(step)})


def finish(tx: Transaction, entry: OutboxEntry, state: Finish, detail: Mapping[str, Any], retry_s: int) -> None:
    """End a write-back under its lease, or queue it again after ``retry_s`` (``write-failed``)."""
    row = _leased(tx, entry)
    due = instant(tx.now + timedelta(seconds=retry_s)) if state == "write-failed" else None
    tx.put_outbox(entry.draft, replace(row, due=due, lease=None))
    event: Event = "awaited" if state == "awaiting-ehr-signature" else state
    record(tx, tx.draft(entry.draft), event, SERVICE_ACTOR, {"due": due}, detail)


def signed_for(history: Iterable[AuditEntry]) -> str | None:
    """Return the mode of write-back that a chain's order was signed for, or else sent in.

    Chains from before modes were recorded were queued for one mode alone. None for what was not queued.
    """
    found, queued = None, False
    for entry in history:
        if entry.event == "signed":
            found = entry.detail.get("given", {}).get(MODE, found)
            queued = entry.detail.get("write_back") is True
        found = found or entry.detail.get("step", {}).get(SENT_STEP)
    return found or (_EARLIER if queued else None)


def may_be_sent(history: Iterable[AuditEntry]) -> bool:
    """Say whether the order of a chain may have reached the EHR; of one that the store forgot, nobody knows.

    Nor of one that was taken, or never queued, before it was recorded what is sent.
    """
    earlier = False
    for entry in history:
        given, step = entry.detail.get("given", {}), entry.detail.get("step", {})
        if entry.event == "signed":
            earlier = MODE not in given
        if given.get("replayed") or given.get("code") in (RESTORED, LOST):
            return True
        if not step.keys().isdisjoint((SENT_STEP, ORDER_STEP)):
            return True
        if earlier and (entry.event == "claimed" or entry.detail.get("write_back") is False):
            return True
    return False


def never_queued(history: Iterable[AuditEntry]) -> bool:
    """Say whether an order was signed that nothing writes: earlier versions queued those of one mode only."""
    return any(entry.event == "signed" and entry.detail.get("write_back") is False for entry in history)


def _leased(tx: Transaction, entry: OutboxEntry) -> Outbox:
    """Return the write-back; Conflict U-LEASE-LOST unless its lease is still this one."""
    row = tx.outbox(entry.draft)
    if row is None:
        raise NotFound("U-OUTBOX-UNKNOWN", "this draft has no write-back")
    if row.lease != entry.lease:
        raise Conflict("U-LEASE-LOST", "another worker has taken this write-back over; stop")
    return row
