"""``undersign audit-fairness``: every group of simulated or of a site's patients, as JSON or as a page."""

from pathlib import Path

import msgspec
import typer
from rich.markup import escape
from rich.table import Table as Page

from recommender.ranker import model as models
from recommender.training import site_audit
from recommender.training.evaluate import audit_cohort
from recommender.training.fairness import Audit, Figure, GroupFigures
from service.tables import opened
from service.terminal import plain_or_coloured

FORMAT = 1


def audit_site(file: Path, *, as_json: bool) -> int:
    """Print the audit of a site's table; returns 1 when a group is flagged, else 0; errors as ``audit_of``."""
    return _told(site_audit.audit_of(opened(file)), file.name, as_json=as_json)


def audit_simulated(folder: Path | None, patients: int, seed: int, bias: float, *, as_json: bool) -> int:
    """Print the audit of one simulated cohort; ``bias`` in points of a hundred; returns as ``audit_site``."""
    found = audit_cohort(models.load(folder), patients=patients, seed=seed, bias=bias / 100)
    return _told(found, f"{patients:,} simulated patients, seed {seed}", as_json=as_json)


def _told(found: Audit, of: str, *, as_json: bool) -> int:
    if as_json:
        told = {"format": FORMAT, "of": of, **msgspec.to_builtins(found), "flagged": len(found.flags)}
        typer.echo(msgspec.json.encode(told))
    else:
        _print(found, of)
    return 1 if found.flags else 0


def _print(found: Audit, of: str) -> None:
    console = plain_or_coloured()
    console.print(f"[bold]{escape(of)}[/bold]: every group against all others", highlight=False)
    page = Page(box=None, pad_edge=False)
    for name in ("group", "people", "AUC", "observed - predicted", "regret", "flagged"):
        page.add_column(name, no_wrap=True)
    for one in found.groups:
        page.add_row(*_row(one, found))
    console.print(page)
    for gap in found.flags:
        console.print(
            f"flagged: {escape(gap.dimension)} {escape(gap.group)}, {gap.measure} gap {gap.gap:+.4f}"
            f" ({gap.low:+.4f} to {gap.high:+.4f}), tolerance {gap.tolerance:g}",
            style="bold yellow",
            highlight=False,
        )
    if found.too_small:
        small = ", ".join(f"{one.dimension} {one.group} ({one.rows})" for one in found.too_small)
        console.print(f"too small to judge: {escape(small)}", highlight=False)
    largest = max((gap.detectable for gap in found.gaps if gap.measure == "calibration"), default=None)
    console.print("nothing flagged" if not found.flags else f"{len(found.flags)} flagged")
    if largest is not None:
        console.print(f"a calibration gap of {largest:.3f} would be flagged in every group four times in five")


def _row(one: GroupFigures, found: Audit) -> tuple[str, ...]:
    flags = [gap.measure for gap in found.flags if (gap.dimension, gap.group) == (one.dimension, one.group)]
    figures = (_figure(one.figures.get(name)) for name in ("auc", "calibration", "regret"))
    return (escape(f"{one.dimension} {one.group}"), f"{one.rows:,}", *figures, ", ".join(flags))


def _figure(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.3f} ± {1.96 * figure.error:.3f}"
