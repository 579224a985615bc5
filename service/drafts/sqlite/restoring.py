"""What a store that was put back from a backup stops before anybody uses it: it has forgotten what was decided since.

A revocation, a patient's no, a stop or an attestation made after the backup is not in it. So nothing in it is signed or
written by itself any more: each draft is ended, and each open write-back is left to a person, by steps of their chains.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from service.drafts.canonical_json import read_instant
from service.drafts.commit.settling import end_restored
from service.drafts.sqlite.rows import marks
from service.drafts.sqlite.schema import connect
from service.drafts.sqlite.standing import utc_now
from service.drafts.sqlite.store_time import StoreTime
from service.drafts.sqlite.transaction import SqliteTransaction
from service.drafts.states import TO_WRITE, UNSIGNED, State
from service.drafts.trail.verification import AuditReport
from service.drafts.vault import Vault


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: verified, its ``last`` entry's time, how many drafts were withdrawn and orders parked."""

    report: AuditReport
    last: datetime | None
    withdrawn: int
    parked: int


def stop(path: Path, vault: Vault | None) -> tuple[datetime | None, int, int]:
    """End the unsigned drafts of a file that nobody uses, and park its open write-backs, all in one commit.

    Returns the time of the last entry before that, and how many drafts and write-backs these were; sqlite3.Error.
    """
    with closing(connect(path, vault)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (told,) = connection.execute("SELECT at FROM latest").fetchone()
        last = read_instant(told) if told else None
        tx = SqliteTransaction(connection, StoreTime(utc_now).now(connection))
        unsigned, queued = _drafts(connection, UNSIGNED), _drafts(connection, TO_WRITE)
        for draft in (*unsigned, *queued):
            end_restored(tx, draft)
        connection.execute("COMMIT")
    return last, len(unsigned), len(queued)


def _drafts(connection: sqlite3.Connection, states: Sequence[State]) -> list[str]:
    found = f"SELECT id FROM draft WHERE state IN ({marks(states)}) ORDER BY created, rank, id"  # noqa: S608
    return [row[0] for row in connection.execute(found, tuple(states))]
