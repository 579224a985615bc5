"""``undersign switch``: pull a switch, put it back, and say what holds since when and by whom."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import typer

from recommender.catalog import packs
from service import settings_file as configuration
from service import telemetry
from service.cds import discovery
from service.drafts import stores
from service.drafts.store import Store
from service.errors import ConfigError
from service.settings import Settings
from service.switches import records
from service.switches.in_force import DRUG, EVERY_SERVICE, EVERYWHERE, MODEL, SHADOW, TENANT, Switch

T = TypeVar("T")


def set_switch(
    config: Path | None, subject: str, ehr: str, by: str, reason: str, *, pulled: bool
) -> tuple[Switch, bool]:
    """Pull a switch or put it back; returns it as it stands, and whether that is new.

    Raises ConfigError U-EHR-ID for no tenant, U-SWITCH-SUBJECT for nothing that can be switched.
    """
    settings = _settings(config)
    _check(settings, subject, ehr)
    return _with_store(settings, lambda store: records.pull(store, subject, ehr, by, reason, pulled=pulled))


def switches_of(settings: Settings, ehr: str) -> Sequence[Switch]:
    """Return the switches that act at a tenant; none where the store was never made, which is not made for it."""
    if settings.store_is_file and not settings.store_path.exists():
        return ()
    return _with_store(settings, lambda store: records.acting(store, ehr))


def list_switches(config: Path | None, *, as_json: bool) -> None:
    """Print every switch."""
    found = _with_store(_settings(config), records.rows)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print([_cells(one) for one in found] or [["Nothing was ever switched."]])


def show_switches(config: Path | None, ehr: str, *, as_json: bool) -> None:
    """Print what holds at a tenant; ConfigError U-EHR-ID."""
    settings = _settings(config)
    _check_tenant(settings, ehr)
    found = _with_store(settings, lambda store: records.shown(store, ehr))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo("In force:")
    _print([_cells(one) for one in found["acting"]] or [["nothing: every call is answered"]])
    for one in found["shadow"]:
        told = ", ".join(f"{name} {count}" for name, count in one["outcomes"].items())
        typer.echo(
            f"\nEvaluated in the shadow, {one['service']}: {one['evaluated']} since {_minute(one['since'])} ({told})"
        )
    if found["history"]:
        typer.echo("\nHistory:")
        _print([_cells(one) for one in found["history"]])


def print_set(one: Switch, *, new: bool, as_json: bool) -> None:
    """Print a switch as it now stands."""
    found = records.row(one)
    if as_json:
        typer.echo(json.dumps({**found, "changed": new}, indent=2))
        return
    said = "" if new else "already so, nothing entered: "
    since = f"{found['state']} since {_minute(found['since'])}"
    typer.echo(f"{said}{found['switch']} at {found['ehr']}: {since}, {one.by}: {one.reason}")


def _check(settings: Settings, subject: str, ehr: str) -> None:
    _check_tenant(settings, ehr)
    if subject in (TENANT, MODEL):
        return
    if subject.startswith(SHADOW):
        known: Sequence[str] = (EVERY_SERVICE, *discovery.services())
    else:
        known = tuple(packs.load(settings.knowledge.pack).drugs)
    if subject.removeprefix(SHADOW).removeprefix(DRUG) not in known:
        nearest = get_close_matches(subject.partition(":")[2], known, 1)
        hint = f"; did you mean {nearest[0]}" if nearest else ""
        msg = f"{subject} cannot be switched: a service's id or a drug's name in the formulary is meant{hint}"
        raise ConfigError("U-SWITCH-SUBJECT", msg)


def _check_tenant(settings: Settings, ehr: str) -> None:
    if ehr != EVERYWHERE and ehr not in (one.id for one in settings.ehr):
        known = ", ".join(one.id for one in settings.ehr) or "none"
        raise ConfigError("U-EHR-ID", f"no tenant has the id {ehr}; the configuration has: {known}")


def _settings(config: Path | None) -> Settings:
    telemetry.configure("error")
    return configuration.load(config)


def _with_store(settings: Settings, ask: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        store = stores.of(settings)
        await store.open()
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _cells(one: Mapping[str, Any]) -> list[str]:
    return [_minute(str(value)) if name in ("since", "at") else str(value) for name, value in one.items()]


def _minute(instant: str) -> str:
    return f"{instant[:16].replace('T', ' ')} UTC"


def _print(found: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[place]) for line in found) for place in range(len(found[0]))]
    for line in found:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
