"""The dialect table: what every dialect keeps and loses of the shipped synthetic patients.

``python -m tests.bench.dialects`` writes each patient in every dialect, reads it back with the profile of that
name, and holds it against plain R4: features, drugs, problems, allergies, consents. Exit status 1 for a breach
of the law (tests/property/test_dialect_law.py).
"""

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.reference_ehr import dialects, patients
from fhir_adapters.canonical import Adapted
from tests.fixtures.dialect_law import Violation, differs, read, violations
from tests.fixtures.resources import AS_OF, Resource

_WIDTH = 150
_SAME, _NONE = "=", ""
_LISTS = ("medications", "conditions", "allergies", "consents")


@dataclass
class Cell:
    """One feature in one dialect over all patients."""

    same: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])

    @property
    def absent(self) -> int:
        """How many patients lost it."""
        return self.reasons.total()


Cells = dict[str, dict[str, Cell]]


def compare(charts: Iterable[Sequence[Resource]], names: Sequence[str]) -> tuple[Cells, list[Violation]]:
    """Return a cell for each feature and dialect, and every breach."""
    cells: Cells = defaultdict(lambda: defaultdict(Cell))
    breaches: list[Violation] = []
    for chart in charts:
        plain = read(chart)
        for name in names:
            found = read(chart, name)
            _count(cells, plain, found, name)
            breaches += violations(plain, found, name)
    for breach in breaches:
        if breach.where in _LISTS:
            cells[breach.where][breach.dialect].changed += 1
    return cells, breaches


def _count(cells: Cells, plain: Adapted, found: Adapted, dialect: str) -> None:
    for feature, before in plain.features.features.items():
        after = found.features.features[feature]
        if differs(before, after, dialect):
            cells[feature][dialect].changed += 1
        elif before.status == "present" == after.status:
            cells[feature][dialect].same += 1
        elif before.status == "present":
            cells[feature][dialect].reasons[after.reason or after.status] += 1


def table(cells: Cells, names: Sequence[str]) -> Table:
    """Return features down and dialects across."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("feature", no_wrap=True)
    for name in names:
        grid.add_column(Text("\n".join(name.replace("-r4", "").replace("base-", "").split("-"))), justify="right")
    for feature, row in cells.items():
        if any(cell.same or cell.changed or cell.absent for cell in row.values()):
            grid.add_row(feature, *(_mark(row[name]) for name in names))
    return grid


def _mark(cell: Cell) -> Text:
    if cell.changed:
        return Text(f"≠{cell.changed}", style="bold red")
    if cell.absent:
        return Text(f"{cell.same}/{cell.same + cell.absent}", style="yellow")
    return Text(_SAME if cell.same else _NONE, style="green")


def reasons(cells: Cells, names: Sequence[str]) -> Table:
    """Return what each dialect loses, and why."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("dialect", "lost", "reason"):
        grid.add_column(heading, overflow="fold")
    for name in names:
        by_reason: dict[str, list[str]] = defaultdict(list)
        for feature, row in cells.items():
            for reason in row[name].reasons:
                by_reason[reason].append(feature)
        for reason, features in sorted(by_reason.items()):
            grid.add_row(name, ", ".join(features), reason)
    return grid


def report(out: TextIO, names: Sequence[str]) -> int:
    """Print the tables; returns 1 when the law is broken."""
    plain = not out.isatty() or "NO_COLOR" in os.environ
    console = Console(file=out, width=None if out.isatty() else _WIDTH, no_color=plain, highlight=False)
    people = patients.load(AS_OF)
    cells, breaches = compare([person.resources for person in people], names)
    console.print(Text(f"{len(people)} synthetic patients in {len(names)} dialects, against plain R4", style="bold"))
    console.print(table(cells, names))
    console.print("= the same for every patient    2/5 kept by 2 of 5, absent by name for the others    ≠ a breach\n")
    console.print(reasons(cells, names))
    for breach in breaches:
        console.print(Text(f"{breach.dialect}: {breach.where}: {breach.plain} became {breach.found}", style="red"))
    kept = sum(cell.same for row in cells.values() for cell in row.values())
    lost = sum(cell.absent for row in cells.values() for cell in row.values())
    console.print(f"{kept:,} values the same, {lost:,} absent by name, {len(breaches)} breaches of the law")
    return 1 if breaches else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    about = "Print what every dialect keeps and loses of the shipped patients."
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dialects", description=about)
    parser.add_argument("dialects", nargs="*", metavar="NAME", help="some dialects only")
    chosen = parser.parse_args(arguments).dialects or [one for one in dialects.names() if one != dialects.PLAIN]
    return report(sys.stdout, chosen)


if __name__ == "__main__":
    sys.exit(main())
