"""Run an evaluation, show how far it is, and write what came of it."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.resources import files
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from recommender.catalog import knowledge
from recommender.errors import ModelError
from recommender.model_card import card as cards
from recommender.model_card import kept
from recommender.ranker import model as models
from recommender.training.evaluate import check, evaluate, steps
from recommender.training.evaluation import Evaluation, encode
from service.model_life import evaluation_figures
from service.model_life.simulated import FhirWriter
from service.model_report import report
from service.terminal import plain_or_coloured

REPORT, RESULT, CARD_PAGE, CARD = "report.html", kept.FILE, "model-card.html", "model-card.json"


def run(
    seeds: Sequence[int],
    patients: int,
    out: Path,
    folder: Path | None,
    writer: FhirWriter,
    today: date,
    *,
    card: bool,
    keep: bool,
) -> int:
    """Write the report, and the card where asked; returns 1 when the leakage check fails, else 0."""
    model = models.load(folder)
    check(model, seeds, patients)
    _prepare(out)
    with _progress(steps(seeds) + 1) as told:
        # First what is quick and may fail: nobody wants to learn after three minutes that a folder is missing.
        more = evaluation_figures.latency(model) | evaluation_figures.dialects(model, writer, seeds[0], today, told)
        found = evaluate(model, created=today, report=told, seeds=seeds, patients=patients, more=more)
    (out / RESULT).write_bytes(encode(found))
    (out / REPORT).write_text(report.page(found), "utf-8")
    if card:
        _write_card(out, model, found)
    if keep:
        _keep(folder, found)
    _tell(found, out)
    return 1 if found.leaks else 0


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".undersign"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ModelError(
            "U-EVALUATION-OUT", f"{out} cannot be written: {error.strerror}. Name another folder."
        ) from error


def _write_card(out: Path, model: models.Model, found: Evaluation) -> None:
    written = cards.card(model.manifest, knowledge.load(), found)
    (out / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n")
    (out / CARD_PAGE).write_text(report.card_page(written), "utf-8")


def _keep(folder: Path | None, found: Evaluation) -> None:
    place = folder or Path(str(files("recommender") / "models" / models.NAME))
    try:
        (place / kept.FILE).write_bytes(encode(found))
    except OSError as error:
        raise ModelError("U-EVALUATION-OUT", f"{place} cannot be written: {error.strerror}.") from error


def _tell(found: Evaluation, out: Path) -> None:
    console = plain_or_coloured()
    for row in found.rows:
        if row.met is False:
            console.print(f"not met: {cards.described(row)}", highlight=False)
    measured = [row for row in found.rows if row.met is not None]
    console.print(f"{sum(row.met is True for row in measured)} of {len(measured)} targets met: {out / REPORT}")
    if found.leaks:
        console.print("leakage check failed: the AUC on remission is above 0.75", style="bold red")


@contextmanager
def _progress(total: int) -> Generator[Callable[[str], None]]:
    """Show each step on standard error: a bar on a terminal, a line a step in a pipe."""
    if not sys.stderr.isatty():
        yield lambda step: typer.echo(step, err=True)
        return
    columns = (BarColumn(30), TextColumn("{task.completed} of {task.total}"), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        started = False

        def told(step: str) -> None:
            nonlocal started
            shown.update(task, description=step, advance=1 if started else 0)
            started = True

        yield told
