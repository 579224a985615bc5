"""``undersign monitor``: what has changed from a reference to a window, as JSON or as a page."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import typer
from rich.markup import escape
from rich.table import Table as Page

from recommender.training.monitoring import FAMILIES, Finding, Monitoring, monitor
from service.tables import opened
from service.terminal import plain_or_coloured

FORMAT = 1


def monitor_tables(reference: Path, window: Path, *, as_json: bool) -> int:
    """Print what changed; returns 1 on an alarm, else 0; errors as ``monitoring.monitor``."""
    found = monitor(opened(reference), opened(window))
    if as_json:
        told = {"format": FORMAT, **msgspec.to_builtins(found), "alarms": len(found.alarms)}
        typer.echo(msgspec.json.encode(told))
    else:
        _print(found)
    return 1 if found.alarms else 0


def _print(found: Monitoring) -> None:
    console = plain_or_coloured()
    console.print(f"{found.window:,} rows watched against {found.reference:,}", highlight=False)
    page = Page(box=None, pad_edge=False)
    for name in ("", "watched", "of", "figure", "limit"):
        page.add_column(name, no_wrap=True)
    page.add_column("unit", overflow="fold")
    for one in found.alarms:
        page.add_row(*_row(one, ""))
    for one, checks in _quiet(found):
        page.add_row(*_row(one, f", the nearest to its limit among {checks}" if checks > 1 else ""), style="dim")
    console.print(page)
    for words in found.not_watched:
        console.print(f"not watched: {escape(words)}", highlight=False)
    if found.alarms:
        console.print(f"{len(found.alarms)} alarms", style="bold yellow")
    else:
        console.print(f"no alarm (at most {found.level:.0%} of windows without a change raise one)", highlight=False)


def _quiet(found: Monitoring) -> Iterator[tuple[Finding, int]]:
    """Yield, for each family, the check without an alarm that is nearest its limit, and how many there are."""
    calm = [one for one in found.findings if not one.alarm]
    for family in FAMILIES:
        own = [one for one in calm if one.family == family]
        if own:
            yield max(own, key=lambda one: abs(one.figure) / one.limit if one.limit else 0.0), len(own)


def _row(one: Finding, more: str) -> tuple[str, ...]:
    at = f", from row {one.row}" if one.row else ""
    mark = "[bold yellow]alarm[/bold yellow]" if one.alarm else ""
    return (mark, one.family, escape(one.what), f"{one.figure:.4f}", f"{one.limit:.4f}", f"{one.unit}{at}{more}")
