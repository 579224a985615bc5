"""The outbox: one row a signature, queued in the signature's own commit, worked under a lease.

``due`` is when the row may next be taken: at once after signing, when the lease runs out while somebody works
on it, later after a failed write, never (NULL) once it is ended. ``lease`` is the fencing token of the last
claim.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from service.drafts import sqlite_rows
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import dumps, instant, loads
from service.drafts.sqlite_rows import Held, record
from service.drafts.store import OutboxEntry
from service.errors import Conflict, NotFound

# The step that makes a write-back ``written``: its value is the reference of the order that the EHR made.
ORDER_STEP: Final = "order"

Finish = Literal["confirmed", "write-failed", "mismatch", "parked"]

_NEXT: Final = (
    "SELECT o.draft, o.attempts, o.progress, s.order_id, s.order_bytes, s.provenance"
    " FROM outbox o JOIN signature s ON s.draft = o.draft WHERE o.due <= ? ORDER BY o.due LIMIT 1"
)


def waiting(connection: sqlite3.Connection, now: datetime) -> bool:
    """Tell whether a write-back may be taken now; reads only."""
    return connection.execute(_NEXT, (instant(now),)).fetchone() is not None


def claim(connection: sqlite3.Connection, now: datetime, lease_s: int) -> OutboxEntry | None:
    """Take the next write-back whose time has come, under a new lease."""
    row = connection.execute(_NEXT, (instant(now),)).fetchone()
    if row is None:
        return None
    held = sqlite_rows.load(connection, row[0])
    entry = _entry(held, row, str(uuid4()))
    due = instant(now + timedelta(seconds=lease_s))
    connection.execute(
        "UPDATE outbox SET due = ?, attempts = ?, lease = ? WHERE draft = ?",
        (due, entry.attempts, entry.lease, entry.draft),
    )
    said = {"attempt": entry.attempts, "lease": entry.lease, "due": due}
    record(connection, held, "claimed", SERVICE_ACTOR, now, said)
    return entry


def progress(connection: sqlite3.Connection, now: datetime, entry: OutboxEntry, step: Mapping[str, str]) -> None:
    """Add a finished step; ``order`` makes the draft ``written``; the same step again changes nothing."""
    known = _leased(connection, entry)
    if known == {**known, **step}:
        return
    held = sqlite_rows.load(connection, entry.draft)
    event = "written" if ORDER_STEP in step and held.draft.state == "writing" else "progressed"
    merged = dumps({**known, **step}).decode()
    connection.execute("UPDATE outbox SET progress = ? WHERE draft = ?", (merged, entry.draft))
    record(connection, held, event, SERVICE_ACTOR, now, {"step": dict(step)})


def finish(
    connection: sqlite3.Connection,
    now: datetime,
    entry: OutboxEntry,
    state: Finish,
    detail: Mapping[str, Any],
    retry_s: int,
) -> None:
    """End a write-back under its lease, or queue it again after ``retry_s`` (``write-failed``)."""
    _leased(connection, entry)
    due = instant(now + timedelta(seconds=retry_s)) if state == "write-failed" else None
    connection.execute("UPDATE outbox SET due = ?, lease = NULL WHERE draft = ?", (due, entry.draft))
    record(connection, sqlite_rows.load(connection, entry.draft), state, SERVICE_ACTOR, now, {"due": due}, detail)


def _entry(held: Held, row: Sequence[Any], lease: str) -> OutboxEntry:
    return OutboxEntry(
        draft=row[0],
        ehr=held.draft.ehr,
        order_id=row[3],
        order=row[4],
        provenance=row[5],
        attempts=row[1] + 1,
        lease=lease,
        progress=loads(row[2].encode()),
    )


def _leased(connection: sqlite3.Connection, entry: OutboxEntry) -> dict[str, str]:
    """Return the progress recorded so far; Conflict U-LEASE-LOST unless the lease is still this one."""
    row = connection.execute("SELECT lease, progress FROM outbox WHERE draft = ?", (entry.draft,)).fetchone()
    if row is None:
        raise NotFound("U-OUTBOX-UNKNOWN", "this draft has no write-back")
    if row[0] != entry.lease:
        raise Conflict("U-LEASE-LOST", "another worker has taken this write-back over; stop")
    return loads(row[1].encode())
