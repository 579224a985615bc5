"""``undersign drafts`` and ``undersign audit``: the operators' view, straight from the store."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from service import settings_file as configuration
from service.drafts import operators, sqlite_backup, stores
from service.drafts.signing import Signer
from service.drafts.stores import AnyStore
from service.drafts.verification import AuditReport
from service.errors import ConfigError
from service.settings import Settings

T = TypeVar("T")
_COLUMNS = ("id", "state", "version", "ehr", "ingredient", "created", "expires")
_TIMES = ("created", "expires", "updated", "at")
# What an event says beyond its name and actor, for the one who has to look into it.
_TOLD = ("code", "status", "fields", "reason", "attempt", "version", "topic")


def list_drafts(config: Path | None, *, as_json: bool) -> None:
    """Print every draft, ended ones too, newest first."""
    rows = _with_store(config, operators.list_drafts)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _print_columns([_COLUMNS, *([_cell(row, name) for name in _COLUMNS] for row in rows)] if rows else [["No drafts."]])


def show_draft(config: Path | None, draft: str, *, as_json: bool) -> None:
    """Print one draft with its history."""
    row = _with_store(config, lambda store: operators.show_draft(store, draft))
    if as_json:
        print(json.dumps(row, indent=2))
        return
    _print_columns([[name, _cell(row, name)] for name in row if name != "history"])
    print()
    _print_columns([[_cell(e, "at"), e["event"], e["actor"], _told(e["detail"])] for e in row["history"]])


def expire_drafts(config: Path | None) -> None:
    """End unsigned drafts past their time and print how many."""
    print(f"{_with_store(config, lambda store: store.expire())} expired")


def backup_store(config: Path | None, file: Path) -> None:
    """Copy the store's file and print what was verified in the copy."""
    found = _settings(config)
    _print_copied(sqlite_backup.backup(_file_of(found), file, stores.sealing(found), _jwks(found)), file)


def restore_store(config: Path | None, file: Path) -> None:
    """Make the store's file from a backup and print what was verified in it."""
    found = configuration.load(config)
    path = _file_of(found)
    _print_copied(sqlite_backup.restore(file, path, stores.sealing(found), _jwks(found)), path)


def rekey_store(config: Path | None) -> None:
    """Wrap the data keys of the store anew, make new ones for what comes, and print how many there are."""
    print(f"{_with_store(config, lambda store: store.rekey())} data keys under the first key of store.key_file")


def verify_audit(config: Path | None) -> int:
    """Walk every chain; prints each fault, or what was found whole. Returns 0 or 1."""
    jwks = _jwks(_settings(config))
    report = _with_store(config, lambda store: operators.verify(store, jwks))
    for fault in report.faults:
        print(fault)
    walked = f"{report.entries} entries of {report.drafts} drafts and {report.flags} flags"
    if report.faults:
        print(f"{len(report.faults)} fault(s) found in {walked}")
        return 1
    checked = f"{report.signatures} signature(s) and {report.attestations} attestation(s) verified"
    print(f"whole: {walked} chained, {checked}")
    return 0


def _jwks(settings: Settings) -> Mapping[str, Any]:
    return Signer.load(settings.base / settings.sign.key_file).public_jwks()


def _file_of(settings: Settings) -> Path:
    if not settings.store_is_file:
        raise ConfigError("U-BACKUP-FILE", "this store is a Redis; copy its append-only folder (docs/operations.md)")
    return settings.store_path


def _print_copied(report: AuditReport, file: Path) -> None:
    print(f"whole: {report.drafts} drafts, {report.signatures} signatures, {report.entries} entries in {file}")


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = str(row.get(name, ""))
    return f"{value[:19].replace('T', ' ')}Z" if name in _TIMES else value


def _told(detail: Mapping[str, Any]) -> str:
    said = {**detail, **detail.get("given", {})}
    return ", ".join(f"{name} {_words(said[name])}" for name in _TOLD if name in said)


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]


def _print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; nothing is cut, since an id that is cut is of no use."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _with_store(config: Path | None, use: Callable[[AnyStore], Awaitable[T]]) -> T:
    return asyncio.run(_use(_settings(config), use))


def _settings(config: Path | None) -> Settings:
    """Return the settings of a service that has run: an operator's mistake must not make an empty store."""
    found = configuration.load(config)
    if found.store_is_file and not found.store_path.exists():
        raise ConfigError("U-STORE-PATH", "there is no store yet; check --config and store.url, or start the service")
    return found


async def _use(settings: Settings, use: Callable[[AnyStore], Awaitable[T]]) -> T:
    store = stores.of(settings)
    await store.open()
    try:
        return await use(store)
    finally:
        await store.close()
