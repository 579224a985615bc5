"""Removing whole registers of accesses from the SQLite store, in the commit that says so."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from service.drafts.commit import register_steps
from service.drafts.commit.register_steps import Entering
from service.drafts.registers import Registered
from service.drafts.sqlite.transaction import SqliteTransaction
from service.errors import Conflict


def forget(connection: sqlite3.Connection, now: datetime, new: Entering, chains: Sequence[Registered]) -> Registered:
    """Enter what is forgotten and remove it; Conflict U-REGISTER-MOVED where one is not as it was seen."""
    entered = register_steps.enter(SqliteTransaction(connection, now), new)
    for one in chains:
        connection.execute("DELETE FROM register_audit WHERE register = ?", (one.id,))
        end = (one.id, one.entry.seq, one.entry.hash)
        if connection.execute("DELETE FROM register WHERE id = ? AND seq = ? AND head = ?", end).rowcount != 1:
            raise Conflict("U-REGISTER-MOVED", "something else was entered meanwhile; read it again")
    return entered
