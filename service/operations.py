"""``undersign drafts`` and ``undersign audit``: the operators' view, straight from the store."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from service import settings_file as configuration
from service.drafts import operators, stores
from service.drafts.canonical_json import instant
from service.drafts.commit.settling import Word
from service.drafts.records import Draft, State
from service.drafts.signature import keys
from service.drafts.signature.signing import Signer
from service.drafts.sqlite import backup as sqlite_backup
from service.drafts.stores import AnyStore
from service.drafts.trail.verification import AuditReport
from service.ehr.client import EhrClient
from service.ehr.delivery import Mismatch
from service.errors import ConfigError, Conflict
from service.settings import Settings

T = TypeVar("T")
_COLUMNS = ("id", "state", "version", "ehr", "ingredient", "created", "expires")
_TIMES = ("created", "expires", "updated", "at")
# What an event says beyond its name and actor, for the one who has to look into it.
_TOLD = ("code", "status", "scope", "fields", "by", "reason", "attempt", "version", "topic")


def list_drafts(config: Path | None, states: Sequence[State], *, as_json: bool) -> None:
    """Print the drafts in these states, every draft for none, newest first."""
    rows = _with_store(config, lambda store: operators.list_drafts(store, states=states or None))
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _print_columns([_COLUMNS, *([_cell(row, name) for name in _COLUMNS] for row in rows)] if rows else [["No drafts."]])
    for row in (one for one in rows if "to_do" in one):
        print(f"{row['id']}  {row['code']}: {row['to_do'][0]}")


def show_draft(config: Path | None, draft: str, *, as_json: bool) -> None:
    """Print one draft with its history."""
    row = _with_store(config, lambda store: operators.show_draft(store, draft))
    if as_json:
        print(json.dumps(row, indent=2))
        return
    _print_columns([[name, _cell(row, name)] for name in row if name not in ("history", "to_do")])
    for number, step in enumerate(row["to_do"], start=1):
        print(f"to do {number}: {step}")
    print()
    _print_columns([[_cell(e, "at"), e["event"], e["actor"], _told(e["detail"])] for e in row["history"]])


def release_draft(config: Path | None, draft: str, word: Word, by: str, reason: str) -> None:
    """Release a stuck write-back on a named person's word, and print where it is now."""
    settings = settings_of(config)
    tenants = {ehr.id: ehr for ehr in settings.ehr}

    async def use(store: AnyStore) -> Draft:
        clients: list[EhrClient] = []

        def client_of(ehr: str) -> EhrClient | None:
            if ehr not in tenants:
                return None
            signer = Signer.load(settings.base / settings.sign.key_file)
            clients.append(EhrClient(tenants[ehr], signer, settings))
            return clients[-1]

        try:
            return await operators.release_draft(store, draft, word, by, reason, client_of)
        except Mismatch as error:
            msg = "the EHR holds two of it, or one without identifier; have them ended there, then release with --retry"
            raise Conflict("U-RELEASE-WRITTEN", msg) from error
        finally:
            for client in clients:
                await client.close()

    print(f"{_with_store(config, use).state}  {draft}")


def expire_drafts(config: Path | None) -> None:
    """End unsigned drafts past their time and print how many."""
    print(f"{_with_store(config, lambda store: store.expire())} expired")


def backup_store(config: Path | None, file: Path) -> None:
    """Copy the store's file and print what was verified in the copy."""
    found = settings_of(config)
    _print_copied(sqlite_backup.backup(_file_of(found), file, stores.sealing(found), _jwks(found)), file)


def restore_store(config: Path | None, file: Path) -> None:
    """Make the store's file from a backup; print what was verified in it, what was stopped and what is lost."""
    found = configuration.load(config)
    path = _file_of(found)
    restored = sqlite_backup.restore(file, path, stores.sealing(found), _jwks(found))
    _print_copied(restored.report, path)
    print(f"{restored.withdrawn} unsigned drafts withdrawn; {restored.parked} open orders parked (drafts show ID)")
    since = f"{instant(restored.last)[:19]}Z" if restored.last else "its beginning"
    print(
        f"the last entry is of {since}. What was decided since is lost: revocations, patients' consents and refusals,"
    )
    print("attestations, switches, signatures. Enter it again before clinicians go on, stops and refusals first.")


def rekey_store(config: Path | None) -> None:
    """Wrap the data keys of the store anew, make new ones for what comes, and print how many there are."""
    print(f"{_with_store(config, lambda store: store.rekey())} data keys under the first key of store.key_file")


def reseal_store(config: Path | None) -> None:
    """Seal what is under replaced data keys anew, verify the store, and print how many values that was."""

    async def use(store: AnyStore) -> tuple[int, AuditReport]:
        return await store.reseal(), await operators.verify(store)

    changed, report = _with_store(config, use)
    print(f"{changed} values sealed anew; {len(report.faults)} fault(s) in {report.entries} entries")
    if report.faults:
        raise ConfigError("U-BACKUP-FAULTS", f"the store has faults; see undersign audit verify: {report.faults[0]}")


def _jwks(settings: Settings) -> Mapping[str, Any]:
    return keys.known(settings.sign, Signer.load(settings.base / settings.sign.key_file))


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
    return asyncio.run(_use(settings_of(config), use))


def settings_of(config: Path | None) -> Settings:
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
