"""Verification of a whole SQLite file: what it has of each chain, from one snapshot, against that chain."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import MsgspecError

from fhir_adapters.errors import UndersignError
from service.drafts.sqlite import flags as sqlite_flags
from service.drafts.sqlite import registers as sqlite_registers
from service.drafts.sqlite import rows as sqlite_rows
from service.drafts.sqlite import sealing as sqlite_sealing
from service.drafts.sqlite.records import Batch
from service.drafts.sqlite.schema import connect, store_error
from service.drafts.trail.flag_verification import FlagRecord, flag_faults
from service.drafts.trail.register_verification import RegisterRecord, register_faults
from service.drafts.trail.verification import AuditReport, record_faults
from service.drafts.vault import Vault

# What reading a row raises when somebody has written nonsense into it.
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, UndersignError, MsgspecError)

AT_ONCE: Final = 256
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
    drafts = [row[0] for row in connection.execute("SELECT id FROM draft ORDER BY id")]
    for first in range(0, len(drafts), AT_ONCE):
        for draft, found in _draft_faults(connection, drafts[first : first + AT_ONCE], jwks):
            faults += [f"draft {draft}: {fault}" for fault in found]
    flags = [row[0] for row in connection.execute("SELECT id FROM flag ORDER BY created, id")]
    for flag in flags:
        faults += [f"flag {flag}: {fault}" for fault in _flag_faults(connection, flag)]
    registers = [row[0] for row in connection.execute("SELECT id FROM register ORDER BY id")]
    for register in registers:
        faults += [f"register {register}: {fault}" for fault in _register_faults(connection, register)]
    return AuditReport(
        faults=tuple(faults),
        drafts=len(drafts),
        entries=sum(_count(connection, table) for table in ("audit", "flag_audit", "register_audit")),
        signatures=_count(connection, "signature"),
        flags=len(flags),
        attestations=_count(connection, "attestation"),
        registers=len(registers),
    )


def _file_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite itself finds: broken pages, rows against a CHECK, rows whose parent is gone."""
    for (found,) in connection.execute("PRAGMA quick_check"):
        if found != "ok":
            yield f"store: U-STORE-FILE: {found}"
    orphans = {(row[0], row[2]) for row in connection.execute("PRAGMA foreign_key_check")}
    for table, parent in sorted(orphans):
        yield f"store: U-STORE-FILE: a row of {table} has lost its {parent}"


def _draft_faults(
    connection: sqlite3.Connection, drafts: Sequence[str], jwks: Mapping[str, Any] | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield the faults of each draft, the drafts by id; those that cannot be read together are read one by one."""
    try:
        batch = Batch(connection, drafts[0], drafts[-1])
    except (*_UNREADABLE, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.OperationalError) and not sqlite_sealing.failed(error):
            raise
        if len(drafts) == 1:
            yield drafts[0], [_NONSENSE]
            return
        for draft in drafts:
            yield from _draft_faults(connection, [draft], jwks)
        return
    for draft in drafts:
        yield draft, _of_batch(batch, draft, jwks)


def _of_batch(batch: Batch, draft: str, jwks: Mapping[str, Any] | None) -> list[str]:
    try:
        return record_faults(batch.record(draft), jwks)
    except _UNREADABLE:
        return [_NONSENSE]


def _flag_faults(connection: sqlite3.Connection, flag: str) -> list[str]:
    try:
        return flag_faults(_gather_flag(connection, flag))
    except _UNREADABLE:
        return [_NONSENSE]
    except sqlite3.OperationalError as error:
        if sqlite_sealing.failed(error):
            return [_NONSENSE]
        raise


def _register_faults(connection: sqlite3.Connection, register: str) -> list[str]:
    try:
        row, (entries, hashes) = (
            sqlite_registers.load(connection, register),
            sqlite_registers.chain(connection, register),
        )
        return register_faults(RegisterRecord(*row, entries, hashes))
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


def _count(connection: sqlite3.Connection, table: str) -> int:
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
