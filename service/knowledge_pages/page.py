"""Knowledge on a terminal: counts and differences. Wrapped on a screen, unbroken lines in a pipe."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from recommender.catalog.knowledge_diff import Change

_COLUMNS = ("rows", "verified", "secondary", "site", "unverified", "retired")
SOURCING = frozenset({"source", "date", "verified", "unknown_source"})
_FIRST = len("contraindicated")


def line(console: Console, text: str, indent: int = 2, style: str = "") -> None:
    """Print one line; on a screen what is too long goes on below its own beginning."""
    if console.is_terminal:
        console.print(Padding(Text(text, style=style), (0, 0, 0, indent)))
    else:
        console.print(" " * indent + escape(text), style=style)


def head(console: Console, text: str) -> None:
    """Print a heading after an empty line."""
    console.print(f"\n[bold]{escape(text)}[/bold]")


def entry(console: Console, first: str, said: str, where: str, style: str = "") -> None:
    """Print what is said and where it comes from; on a screen what begins the line keeps its column."""
    if not console.is_terminal:
        line(console, f"{f'{first}  ' if first else ''}{said} [{where}]")
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_FIRST if first else 0, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(first, style=style), Text.assemble(said, (f" [{where}]", "dim")))
    console.print(Padding(grid, (0, 0, 0, 2 if first else 0)))


# ---- check


def print_counts(console: Console, found: Mapping[str, Any]) -> None:
    """Print what ``knowledge check`` found."""
    console.print(f"[bold]Knowledge {escape(found['version'])}[/bold]: every row fits every other", style="green")
    _print_pack(console, found["pack"])
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("table", no_wrap=True)
    shown = [name for name in _COLUMNS if any(one.get(name) for one in found["tables"].values())]
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for name, held in found["tables"].items():
        table.add_row(name, *(f"{held[one]:,}" if held.get(one) else "·" for one in shown))
    console.print()
    console.print(table)
    _print_rules(console, found["rules"])
    _print_drugs(console, found["draftable"], found["not_draftable"])
    _print_changes(console, [Change(**_change(one)) for one in found["changes"]])
    if found["warnings"]:
        head(console, f"Nobody uses ({len(found['warnings'])})")
        for text in found["warnings"]:
            line(console, text, style="yellow")


def _change(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "table": one["table"],
        "key": one["row"],
        "kind": one["kind"],
        "cells": {name: tuple(cells) for name, cells in one["cells"].items()},
        "weakens": tuple(one["lets_through"]),
        "approval": one["approval"],
    }


def _print_pack(console: Console, pack: Mapping[str, str] | None) -> None:
    if pack is None:
        console.print("as shipped, no knowledge pack", style="dim")
        return
    said = f"approved by {pack['approved_by']}; {pack['contact']}"
    console.print(f"with pack {escape(pack['name'])} {escape(pack['version'])} of {pack['date']}, {escape(said)}")


def _print_rules(console: Console, rules: Mapping[str, Any]) -> None:
    head(console, f"Rules: {rules['judged']} judged, {len(rules['not_judged'])} not")
    by_reason = defaultdict[str, list[str]](list)
    for name, why in rules["not_judged"].items():
        by_reason[why].append(name)
    for why, names in by_reason.items():
        line(console, f"{', '.join(names)}: {why}", style="dim")
    if rules["waived"]:
        line(console, f"told, but not applied at this site: {', '.join(rules['waived'])}", style="yellow")


def _print_drugs(console: Console, ready: Sequence[str], others: Mapping[str, Sequence[str]]) -> None:
    head(console, f"Drugs: {len(ready)} can be drafted, {len(others)} cannot")
    line(console, ", ".join(ready), style="green")
    by_reason = defaultdict[str, list[str]](list)
    for name, why in others.items():
        by_reason["; ".join(why)].append(name)
    for why, names in sorted(by_reason.items(), key=lambda one: (-len(one[1]), one[0])):
        line(console, f"{', '.join(names)}: {why}")


# ---- diff


def print_diff(console: Console, before: str, after: str, found: Sequence[Change]) -> None:
    """Print the differences of two versions in words."""
    console.print(f"[bold]Knowledge {escape(before)} → {escape(after)}[/bold]")
    if found:
        _print_changes(console, found)
    else:
        console.print("no row differs", style="dim")


def _print_changes(console: Console, found: Sequence[Change]) -> None:
    weaker = [one for one in found if one.weakens]
    others = [one for one in found if not one.weakens]
    if weaker:
        head(console, f"Lets more through than before ({len(weaker)})")
        for one in weaker:
            line(console, _in_words(one), style="yellow")
            if one.kind == "added" or (one.kind == "changed" and len(one.weakens) < len(_shown(one))):
                line(console, f"what lets through: {'; '.join(one.weakens)}", indent=4, style="yellow")
            line(console, one.approval or "nobody stands for it by name", indent=4)
    if others:
        head(console, f"Other changes ({len(others)})" if weaker else f"Changes ({len(others)})")
        for one in others:
            line(console, _in_words(one) + (f" ({one.approval})" if one.approval else ""))


def _in_words(one: Change) -> str:
    where = f"{one.table} {one.key or '(no key)'}"
    if one.kind == "changed":
        return f"changed {where}: {', '.join(_shown(one))}"
    if one.kind == "added":
        return f"added {where}: {_told(one) or ', '.join(_shown(one))}"
    told = f": {_told(one)}" if _told(one) else ""
    return f"{'taken out of force' if one.kind == 'retired' else 'removed'} {where}{told}"


def _shown(one: Change) -> list[str]:
    """Say each cell that differs, before and after; where it comes from only when nothing else differs."""
    cells = {name: both for name, both in one.cells.items() if name not in SOURCING} or one.cells
    if one.kind != "changed":
        return [f"{name} {old or new}" for name, (old, new) in cells.items()]
    return [f"{name} {old or 'empty'} → {new or 'empty'}" for name, (old, new) in cells.items()]


def _told(one: Change) -> str:
    """Return the sentence of a whole row that has one, with its severity."""
    row = {name: old or new for name, (old, new) in one.cells.items()}
    text = row.get("message") or row.get("what", "")
    for name, cell in (("trigger", row.get("label", "")), ("drug", row.get("drug", "").replace("_", " "))):
        text = text.replace(f"{{{name}}}", cell)
    return f"{row['severity']}: {text}" if text and "severity" in row else text
