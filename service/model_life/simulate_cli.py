"""``undersign simulate``: patients drawn from published evidence, as a table and as FHIR."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from recommender.errors import SimulationError
from service.command_options import day_of, today
from service.model_life.model_cli import PANEL

if TYPE_CHECKING:
    from service.model_life.simulated import FhirWriter

LEAST, MOST = 10, 1_000_000
_FIRST_YEAR = 2000


class Kind(StrEnum):
    """How the table is written."""

    csv = "csv"
    ndjson = "ndjson"


class Truth(StrEnum):
    """Whether drugs do what the evidence says they may, or something else."""

    prior = "prior"
    shifted = "shifted"


def _date(text: str) -> date:
    day = day_of(text)
    if day.year < _FIRST_YEAR:
        raise typer.BadParameter(f"name a day from {_FIRST_YEAR} on")
    return day


def _say(line: str) -> None:
    typer.echo(line, err=True)


def register(app: typer.Typer, fhir_writer: Callable[[], "FhirWriter"]) -> None:
    """Add the command to ``app``; ``fhir_writer`` gives what writes FHIR, and is called only when asked for FHIR."""

    @app.command(rich_help_panel=PANEL)
    def simulate(  # pyright: ignore[reportUnusedFunction]
        patients: Annotated[int, typer.Option(help=f"How many, {LEAST} to {MOST:,}.", metavar="N")],
        out: Annotated[Path, typer.Option(help="A new or empty folder.", metavar="DIR")],
        seed: Annotated[int, typer.Option(help="The same seed gives the same patients.", min=0, metavar="S")] = 1,
        fhir: Annotated[bool, typer.Option("--fhir", help="Write the patients as FHIR too.")] = False,
        dialect: Annotated[
            str | None,
            typer.Option(help="One dialect for all, such as epic-r4; else each site has its own.", metavar="NAME"),
        ] = None,
        kind: Annotated[Kind, typer.Option("--format", help="How the table is written.")] = Kind.csv,
        sites: Annotated[
            int | None, typer.Option(help="How many sites; one for every 50 patients.", min=1, metavar="N")
        ] = None,
        missing: Annotated[
            float | None,
            typer.Option(help="Share of values missing, 0 to 1; by site when left out.", min=0, max=1, metavar="SHARE"),
        ] = None,
        truth: Annotated[Truth, typer.Option(help="What drugs do: as the evidence has it, or not.")] = Truth.prior,
        now: Annotated[
            date | None,
            typer.Option(help="The day that FHIR dates count back from; today.", parser=_date, metavar="DATE"),
        ] = None,
    ) -> None:
        """Simulate adults with major depression: who they are, what was given, and what became of it.

        Nobody in it exists. Writes patients.csv, what its columns mean (dictionary.csv), how it was made
        (simulation.json), and with --fhir a bulk export a dialect (fhir/NAME/*.ndjson), which the adapters read
        as they read a hospital's.

        Example: undersign simulate --patients 1000 --seed 7 --out cohort --fhir --dialect epic-r4
        """
        from recommender.cohort.simulator import Setting
        from service.model_life.simulated import Wanted, run

        writer = fhir_writer() if fhir else None
        _check(patients, dialect, writer)
        setting = Setting(sites=sites, missing=missing, truth=truth.value)
        day = now or today()
        run(Wanted(patients, seed, setting, kind.value, dialect, day), out, writer, _progress, _say)


def _check(patients: int, dialect: str | None, writer: "FhirWriter | None") -> None:
    if not LEAST <= patients <= MOST:
        raise SimulationError(
            "U-SIMULATE-PATIENTS",
            f"Simulate {LEAST} to {MOST:,} patients: fewer make no site, and more are better drawn with several seeds.",
        )
    if dialect is None:
        return
    if writer is None:
        raise SimulationError("U-SIMULATE-DIALECT", "A dialect is how FHIR is written: add --fhir, or leave it out.")
    if dialect not in writer.names():
        raise SimulationError("U-SIMULATE-DIALECT", f"There is no dialect “{dialect}”: {_known(writer.names())}.")


def _known(names: Sequence[str]) -> str:
    return "use one of " + ", ".join(names)


@contextmanager
def _progress(what: str, total: int) -> Generator[Callable[[int], None]]:
    """Show on a terminal's standard error how many patients are done."""
    columns = (TextColumn(what), BarColumn(30), TextColumn("{task.completed:,} of {task.total:,} patients"))
    shown = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with shown:
        task = shown.add_task(what, total=total)

        def advance(done: int) -> None:
            if done % 100 == 0 or done == total:
                shown.update(task, completed=done)

        yield advance
