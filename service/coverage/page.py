"""The coverage report as a page: by group, with what nobody has left to one line, and the lines to paste at its end.

As wide as the terminal; in a pipe without colours, bars or broken lines.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fhir_adapters.problem.lists import LISTS
from fhir_adapters.survey import feeds
from fhir_adapters.survey.coverage import Coverage, Outcome
from fhir_adapters.vector.schema import FEATURES, FeatureSpec
from service.coverage.lines import counted, percent, print_lines

_NAME = max(len(spec.name) for spec in FEATURES)
_WHY = 20  # columns that reasons need to be worth it
_BAR = 12
_NOTHING: frozenset[Outcome] = frozenset({"absent", "not-supplied"})
# Heading, outcomes that it counts, style. What can be mended by a line is yellow.
COLUMNS: Sequence[tuple[str, tuple[Outcome, ...], str]] = (
    ("fed", ("fed",), "green"),
    ("uncoded", ("uncoded",), "yellow"),
    ("system", ("wrong-system",), "yellow"),
    ("unit", ("wrong-unit",), "yellow"),
    ("old", ("stale",), "cyan"),
    ("conflict", ("conflicting",), "magenta"),
    ("refused", ("refused",), "red"),
    ("absent", ("absent", "not-supplied"), "dim"),
)
_STATES = (("whole", "supplied"), ("in part", "partial"), ("not sent", "not-supplied"))
_KNOWN = frozenset({"code", "text", "no rule reads it"})


def print_coverage(console: Console, tally: Coverage) -> None:
    """Print the report."""
    _head(console, tally)
    if not tally.patients:
        return
    for group in feeds.GROUPS:
        _group(console, tally, group)
    _nobody(console, tally)
    _lists(console, tally)
    print_lines(console, tally)


def _head(console: Console, tally: Coverage) -> None:
    versions = ", ".join(f"{name} {count:,}" for name, count in sorted(tally.versions.items()))
    people = counted(tally.patients, "patient")
    console.print(f"[bold]{people}[/bold] read with [bold]{escape(tally.profile)}[/bold] on {tally.as_of}")
    console.print(f"FHIR {versions}" if versions else "nothing was read", style="dim")
    for code, count in sorted(tally.unread.items()):
        console.print(f"not read: {count:,} × {code}", style="yellow")
    counts = Counter[Outcome]()
    for spec in FEATURES:
        counts.update(tally.outcomes[spec.name] if spec.max_age_days is not None else {})
    if counts["stale"] > counts["fed"]:
        share = percent(counts["stale"] / (counts["stale"] + counts["fed"]))
        said = f"{share} of what ages is too old on {tally.as_of}: for an old export, give its day with --now"
        console.print(said, style="cyan")


# ---- features


def _group(console: Console, tally: Coverage, group: str) -> None:
    """Print the features of a group that somebody has, and name those that nobody has, unless those are all."""
    specs = [spec for spec in FEATURES if feeds.group_of(spec) == group]
    held = [spec for spec in specs if not _is_nobodys(tally, spec)]
    if not held:
        return
    console.print(f"\n[bold]{group}[/bold]")
    console.print(_table(console, tally, held))
    others = [spec.name for spec in specs if spec not in held]
    if others:
        console.print(f"nobody has {', '.join(others)}", style="dim")


def _is_nobodys(tally: Coverage, spec: FeatureSpec) -> bool:
    return sum(tally.outcomes[spec.name][one] for one in _NOTHING) == tally.patients


def _nobody(console: Console, tally: Coverage) -> None:
    groups = {group: [spec for spec in FEATURES if feeds.group_of(spec) == group] for group in feeds.GROUPS}
    empty = [name for name, specs in groups.items() if all(_is_nobodys(tally, spec) for spec in specs)]
    if empty:
        said = ", ".join(f"{name.lower()} ({len(groups[name])})" for name in empty)
        console.print(f"\n[bold]Nobody has[/bold] any of {said}")


def _table(console: Console, tally: Coverage, specs: Iterable[FeatureSpec]) -> Table:
    columns = [one for one in COLUMNS if one[0] == "fed" or _occurs(tally, one[1])]
    left = console.width - _NAME - 1 - sum(max(len(name), 5) + 1 for name, _, _ in columns)
    bars = console.is_terminal and left >= _BAR + 1 + _WHY
    why = left - (_BAR + 1 if bars else 0)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("feature", width=_NAME, no_wrap=True)
    if bars:
        table.add_column("", width=_BAR, no_wrap=True)
    for name, _, _ in columns:
        table.add_column(name, justify="right", width=max(len(name), 5), no_wrap=True)
    if why >= _WHY:
        table.add_column("why not", no_wrap=True, overflow="ellipsis", max_width=why)
    for spec in specs:
        shares = [(sum(tally.share(spec.name, one) for one in outcomes), style) for _, outcomes, style in columns]
        cells = [Text(percent(share), style=style if share else "dim") for share, style in shares]
        reasons = [escape(_reasons(tally, spec.name))] if why >= _WHY else []
        table.add_row(spec.name, *([_bar(shares)] if bars else []), *cells, *reasons)
    return table


def _occurs(tally: Coverage, outcomes: Iterable[Outcome]) -> bool:
    return any(tally.outcomes[spec.name][one] for spec in FEATURES for one in outcomes)


def _bar(shares: Iterable[tuple[float, str]]) -> Text:
    """Return the shares as one bar; the last of them, what is absent, is its empty end."""
    bar, place, total = Text(), 0, 0.0
    for share, style in shares:
        total += share
        end = round(total * _BAR)
        bar.append(("·" if style == "dim" else "━") * (end - place), style=style)
        place = end
    return bar


def _reasons(tally: Coverage, name: str) -> str:
    """Return why a feature is not fed, the commonest first; that a list was not sent stands with the lists."""
    counts = [(why, n) for why, n in tally.reasons[name].items() if not why.endswith(("-not-supplied", "-partial"))]
    return ", ".join(f"{why} {n:,}" for why, n in sorted(counts, key=lambda one: (-one[1], one[0])))


# ---- lists


def _lists(console: Console, tally: Coverage) -> None:
    console.print("\n[bold]Lists[/bold]")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", width=15, no_wrap=True)
    for name, _ in _STATES:
        table.add_column(name, justify="right", width=8, no_wrap=True)
    table.add_column("entries", justify="right", no_wrap=True)
    table.add_column("understood", justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True, overflow="ellipsis", max_width=max(console.width - 62, 10))
    for name in LISTS:
        states = [percent(tally.lists[name][state] / tally.patients) for _, state in _STATES]
        table.add_row(name, *states, *_understood(tally.entries[name]))
    console.print(table)


def _understood(counts: Mapping[str, int]) -> tuple[str, str, str]:
    total = sum(counts.values())
    if not total:
        return "", "", ""
    known = sum(count for how, count in counts.items() if how in _KNOWN)
    how = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
    return f"{total:,}", percent(known / total), how
