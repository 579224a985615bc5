"""Rows of registers in the SQLite store as the records of the protocol."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from service.drafts.audit import GENESIS
from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.commit.transaction import HeldRegister
from service.drafts.records import AuditEntry
from service.drafts.registers import Kind, Register, Registered
from service.drafts.sqlite import rows as sqlite_rows
from service.errors import Conflict, NotFound

_ENTRY: Final = (
    "e.register, e.seq, e.at, e.event, e.actor, unseal(e.register || ':detail', e.detail), e.previous, e.hash"
)
_HELD: Final = (
    f"SELECT r.id, r.kind, r.ehr, unfixed(r.subject), r.seq, r.head, {_ENTRY}"  # noqa: S608
    " FROM register r JOIN register_audit e ON e.register = r.id AND e.seq = r.seq "
)
_CHAIN: Final = f"SELECT {_ENTRY} FROM register_audit e WHERE e.register = ? ORDER BY e.seq"  # noqa: S608


def find(connection: sqlite3.Connection, kind: Kind, ehr: str, subject: str) -> HeldRegister | None:
    """Return a register with its last entry."""
    where = "WHERE r.kind = ? AND r.ehr = ? AND r.subject = fixed(?)"
    row = connection.execute(_HELD + where, (kind, ehr, subject)).fetchone()
    return None if row is None else _held(row)


def registered(connection: sqlite3.Connection, kind: Kind, ehr: str | None, subject: str | None) -> list[Registered]:
    """Return the last entry of each register of a kind, by tenant and subject."""
    where, values = "WHERE r.kind = ?", [str(kind)]
    for term, value in (("r.ehr = ?", ehr), ("r.subject = fixed(?)", subject)):
        if value is not None:
            where += f" AND {term}"
            values.append(value)
    found = [Registered(*row[:4], entry=_entry(row[6:])) for row in connection.execute(_HELD + where, values)]
    return sorted(found, key=lambda one: (one.ehr, one.subject))


def insert(connection: sqlite3.Connection, register: Register) -> HeldRegister:
    """Write a new register; its chain begins with the next entry."""
    values = (register.id, register.kind, register.ehr, register.subject, GENESIS)
    connection.execute("INSERT INTO register VALUES (?, ?, ?, fixed(?), 0, ?)", values)
    return HeldRegister(register, 0, GENESIS, None)


def advance(connection: sqlite3.Connection, held: HeldRegister, entry: AuditEntry) -> HeldRegister:
    """Write the next entry of a register; Conflict U-DRAFT-STATE where it has moved."""
    register = held.register
    connection.execute(
        "INSERT INTO register_audit VALUES (?1, ?2, ?3, ?4, ?5, seal(?9, ?1 || ':detail', ?6), ?7, ?8)",
        (
            register.id, entry.seq, instant(entry.at), entry.event, entry.actor, dumps(entry.detail).decode(),
            entry.previous, entry.hash, register.ehr,
        ),
    )  # fmt: skip
    moved = connection.execute(
        "UPDATE register SET seq = ?, head = ? WHERE id = ? AND seq = ? AND head = ?",
        (entry.seq, entry.hash, register.id, held.seq, held.head),
    ).rowcount
    if moved != 1:
        raise Conflict("U-DRAFT-STATE", "this record has moved on; read it again")
    return HeldRegister(register, entry.seq, entry.hash, entry)


def entries(connection: sqlite3.Connection, register: str) -> list[AuditEntry]:
    """Return a register's chain, oldest first; NotFound U-REGISTER-UNKNOWN."""
    found = [_entry(row) for row in connection.execute(_CHAIN, (register,))]
    if not found:
        raise NotFound("U-REGISTER-UNKNOWN", "nothing is on record under this id; list the registers")
    return found


def load(connection: sqlite3.Connection, register: str) -> tuple[Register, int, str]:
    """Return a register with the number and hash of its last entry, as its own row has them; to verify it."""
    statement = "SELECT id, kind, ehr, unfixed(subject), seq, head FROM register WHERE id = ?"
    row = connection.execute(statement, (register,)).fetchone()
    return Register(*row[:4]), row[4], row[5]


def chain(connection: sqlite3.Connection, register: str) -> tuple[list[AuditEntry], list[str]]:
    """Return a register's entries, oldest first, and the hashes that their stored texts give."""
    return sqlite_rows.chained(connection.execute(_CHAIN, (register,)))


def heads(connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Return id, number and hash of the last entry of every chain but those of checkpoints, by id."""
    return connection.execute(
        "SELECT id, seq, head FROM draft UNION ALL SELECT id, seq, head FROM flag"
        " UNION ALL SELECT id, seq, head FROM register WHERE kind <> 'checkpoint' ORDER BY id"
    ).fetchall()


def _entry(row: Sequence[Any]) -> AuditEntry:
    at, detail = read_instant(row[2]), loads(row[5].encode())
    return AuditEntry(row[0], row[1], at, row[3], row[4], detail, row[6], row[7])


def _held(row: Sequence[Any]) -> HeldRegister:
    return HeldRegister(Register(*row[:4]), row[4], row[5], _entry(row[6:]))
