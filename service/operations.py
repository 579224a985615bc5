"""``undersign drafts`` and ``undersign audit``: the operators' view, straight from the store."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from service import settings as configuration
from service.drafts import operators
from service.drafts.signing import Signer
from service.drafts.sqlite import SqliteStore
from service.settings import Settings

T = TypeVar("T")
_COLUMNS = ("id", "state", "version", "ehr", "ingredient", "created", "expires")


def list_drafts(config: Path | None, *, as_json: bool) -> None:
    """Print every draft, ended ones too, newest first."""
    rows = _with_store(config, operators.list_drafts)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in _COLUMNS))
    Console().print(table if rows else "No drafts.")


def show_draft(config: Path | None, draft: str, *, as_json: bool) -> None:
    """Print one draft with its history."""
    row = _with_store(config, lambda store: operators.show_draft(store, draft))
    if as_json:
        print(json.dumps(row, indent=2))
        return
    console = Console(highlight=False)
    for name, value in row.items():
        if name != "history":
            console.print(f"[bold]{name}[/bold]  {value}")
    for entry in row["history"]:
        console.print(f"  {entry['at']}  {entry['event']}  {entry['actor']}", style="dim")


def expire_drafts(config: Path | None) -> None:
    """End unsigned drafts past their time and print how many."""
    print(f"{_with_store(config, lambda store: store.expire())} expired")


def verify_audit(config: Path | None) -> int:
    """Walk every chain; prints each fault, or what was found whole. Returns 0 or 1."""
    found = configuration.load(config)
    signer = Signer.load(found.base / found.sign.key_file)
    report = _with_store(config, lambda store: operators.verify(store, signer.public_jwks()))
    for fault in report.faults:
        print(fault)
    if report.faults:
        print(f"{len(report.faults)} fault(s) found in {report.entries} entries of {report.drafts} drafts")
        return 1
    print(
        f"whole: {report.entries} entries of {report.drafts} drafts chained, {report.signatures} signature(s) verified"
    )
    return 0


def _with_store(config: Path | None, use: Callable[[SqliteStore], Awaitable[T]]) -> T:
    return asyncio.run(_use(configuration.load(config), use))


async def _use(settings: Settings, use: Callable[[SqliteStore], Awaitable[T]]) -> T:
    store = SqliteStore(settings.store_path)
    await store.open()
    try:
        return await use(store)
    finally:
        await store.close()
