"""Rows of flags in the SQLite store as the records of the protocol."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from service.drafts.canonical_json import loads, read_instant
from service.drafts.commit.transaction import HeldFlag
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry
from service.drafts.sqlite import rows as sqlite_rows
from service.errors import NotFound

_FLAG: Final = "SELECT id, ehr, unfixed(patient), created, seq, head FROM flag "
_ALARM: Final = (
    "SELECT a.flag, a.seq, a.facts, unseal(a.flag || ':context', a.context), e.at FROM alarm a"
    " JOIN flag_audit e ON e.flag = a.flag AND e.seq = a.seq WHERE a.flag = ? ORDER BY a.seq"
)
_ATTESTED: Final = (
    "SELECT a.id, a.flag, a.seq, a.practitioner, unseal(a.flag || ':display', a.display), a.role, a.assessed, a.result,"
    " unseal(a.flag || ':review_by', a.review_by), a.review_on, e.at"
    " FROM attestation a JOIN flag_audit e ON e.flag = a.flag AND e.seq = a.seq "
)
_AUDIT: Final = "SELECT flag, seq, at, event, actor, detail, previous, hash FROM flag_audit WHERE flag = ? ORDER BY seq"


def load(connection: sqlite3.Connection, flag: str) -> HeldFlag:
    """Return a flag; NotFound U-FLAG-UNKNOWN."""
    row = connection.execute(_FLAG + "WHERE id = ?", (flag,)).fetchone()
    if row is None:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this address; open the patient's chart again")
    return _held(row)


def find(connection: sqlite3.Connection, ehr: str, patient: str) -> HeldFlag | None:
    """Return a patient's flag."""
    row = connection.execute(_FLAG + "WHERE ehr = ? AND patient = fixed(?)", (ehr, patient)).fetchone()
    return None if row is None else _held(row)


def alarms(connection: sqlite3.Connection, flag: str) -> list[Alarm]:
    """Return a flag's alarms, oldest first."""
    return [Alarm(*row[:4], raised=read_instant(row[4])) for row in connection.execute(_ALARM, (flag,))]


def alarm(connection: sqlite3.Connection, flag: str) -> Alarm | None:
    """Return a flag's last alarm."""
    row = connection.execute(f"{_ALARM} DESC LIMIT 1", (flag,)).fetchone()
    return None if row is None else Alarm(*row[:4], raised=read_instant(row[4]))


def of_flag(connection: sqlite3.Connection, flag: str) -> list[Attested]:
    """Return a flag's attestations, the oldest assessment first."""
    return [
        _read(row) for row in connection.execute(_ATTESTED + "WHERE a.flag = ? ORDER BY a.assessed, a.seq", (flag,))
    ]


def attestation(connection: sqlite3.Connection, identity: str) -> tuple[Flag, Attested]:
    """Return one attestation with its flag; NotFound U-FLAG-UNKNOWN."""
    row = connection.execute(_ATTESTED + "WHERE a.id = ?", (identity,)).fetchone()
    if row is None:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this id; search by patient")
    found = _read(row)
    return load(connection, found.flag).flag, found


def attestations(connection: sqlite3.Connection, ehr: str, patient: str) -> list[Attested]:
    """Return a patient's attestations, the oldest assessment first."""
    held = find(connection, ehr, patient)
    return [] if held is None else of_flag(connection, held.flag.id)


def history(connection: sqlite3.Connection, flag: str) -> list[AuditEntry]:
    """Return a flag's audit entries, oldest first."""
    return [_entry(row) for row in connection.execute(_AUDIT, (flag,))]


def chain(connection: sqlite3.Connection, flag: str) -> tuple[list[AuditEntry], list[str]]:
    """Return a flag's audit entries, oldest first, and the hashes that their stored texts give."""
    return sqlite_rows.chained(connection.execute(_AUDIT, (flag,)))


def _entry(row: Sequence[Any]) -> AuditEntry:
    at, detail = read_instant(row[2]), loads(row[5].encode())
    return AuditEntry(row[0], row[1], at, row[3], row[4], detail, row[6], row[7])


def _held(row: Sequence[Any]) -> HeldFlag:
    return HeldFlag(Flag(row[0], row[1], row[2], read_instant(row[3])), row[4], row[5])


def _read(row: Sequence[Any]) -> Attested:
    return Attested(
        *row[:6],
        assessed=read_instant(row[6]),
        result=row[7],
        review_by=row[8],
        review_on=date.fromisoformat(row[9]),
        recorded=read_instant(row[10]),
    )
