"""Verification of a whole SQLite file: each draft's and flag's rows, from one snapshot, against its chain."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import MsgspecError

from fhir_adapters.errors import UndersignError
from service.drafts import sqlite_flags, sqlite_rows, sqlite_sealing
from service.drafts.flag_verification import FlagRecord, flag_faults
from service.drafts.sqlite_schema import connect, store_error
from service.drafts.vault import Vault
from service.drafts.verification import AuditReport, Record, record_faults

# What reading a row raises when somebody has written nonsense into it.
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, UndersignError, MsgspecError)

_NONSENSE: Final = "U-AUDIT-RECORD: its rows cannot be read"


def verify(path: Path, jwks: Mapping[str, Any] | None, vault: Vault | None = None) -> AuditReport:
    """Walk all drafts of the file; Unavailable U-STORE-* when it cannot be read at all."""
    try:
        connection = connect(path, vault, read_only=True)
        try:
            connection.execute("BEGIN")
            return _walk(connection, jwks)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error) from error


def _walk(connection: sqlite3.Connection, jwks: Mapping[str, Any] | None) -> AuditReport:
    faults = list(_file_faults(connection))
    drafts = [row[0] for row in connection.execute("SELECT id FROM draft ORDER BY created, id")]
    for draft in drafts:
        faults += [f"draft {draft}: {fault}" for fault in _draft_faults(connection, draft, jwks)]
    flags = [row[0] for row in connection.execute("SELECT id FROM flag ORDER BY created, id")]
    for flag in flags:
        faults += [f"flag {flag}: {fault}" for fault in _flag_faults(connection, flag)]
    return AuditReport(
        faults=tuple(faults),
        drafts=len(drafts),
        entries=_count(connection, "audit") + _count(connection, "flag_audit"),
        signatures=_count(connection, "signature"),
        flags=len(flags),
        attestations=_count(connection, "attestation"),
    )


def _file_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite itself finds: broken pages, rows against a CHECK, rows whose parent is gone."""
    for (found,) in connection.execute("PRAGMA quick_check"):
        if found != "ok":
            yield f"store: U-STORE-FILE: {found}"
    orphans = {(row[0], row[2]) for row in connection.execute("PRAGMA foreign_key_check")}
    for table, parent in sorted(orphans):
        yield f"store: U-STORE-FILE: a row of {table} has lost its {parent}"


def _draft_faults(connection: sqlite3.Connection, draft: str, jwks: Mapping[str, Any] | None) -> list[str]:
    try:
        return record_faults(_gather(connection, draft), jwks)
    except _UNREADABLE:
        return [_NONSENSE]
    except sqlite3.OperationalError as error:
        if sqlite_sealing.failed(error):
            return [_NONSENSE]
        raise


def _flag_faults(connection: sqlite3.Connection, flag: str) -> list[str]:
    try:
        return flag_faults(_gather_flag(connection, flag))
    except _UNREADABLE:
        return [_NONSENSE]
    except sqlite3.OperationalError as error:
        if sqlite_sealing.failed(error):
            return [_NONSENSE]
        raise


def _gather_flag(connection: sqlite3.Connection, flag: str) -> FlagRecord:
    held, (entries, hashes) = sqlite_flags.load(connection, flag), sqlite_flags.chain(connection, flag)
    return FlagRecord(
        flag=held.flag,
        seq=held.seq,
        head=held.head,
        entries=entries,
        alarms=sqlite_flags.alarms(connection, flag),
        attestations=sqlite_flags.of_flag(connection, flag),
        cards={
            e.detail["card"]: sqlite_rows.card(connection, e.detail["card"]) or {}
            for e in entries
            if e.event == "shown"
        },
        hashes=hashes,
    )


def _gather(connection: sqlite3.Connection, draft: str) -> Record:
    held = sqlite_rows.load(connection, draft)
    entries, hashes = sqlite_rows.chain(connection, draft)
    return Record(
        draft=held.draft,
        seq=held.seq,
        head=held.head,
        revisions=sqlite_rows.revisions(connection, draft),
        entries=entries,
        prepared=sqlite_rows.prepared(connection, draft),
        signature=sqlite_rows.signature(connection, draft),
        outbox=sqlite_rows.outbox(connection, draft),
        comments=sqlite_rows.comments(connection, draft),
        cards={
            e.detail["card"]: sqlite_rows.card(connection, e.detail["card"]) or {}
            for e in entries
            if e.event == "shown"
        },
        hashes=hashes,
    )


def _count(connection: sqlite3.Connection, table: str) -> int:
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
