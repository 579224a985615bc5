"""``undersign evaluate``, ``audit-fairness``, ``monitor``: how good the model is, for whom, and whether it still is."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.command_options import Now, today
from service.model_life.model_cli import PANEL

if TYPE_CHECKING:
    from service.model_life.simulated import FhirWriter

app = typer.Typer()
Folder = Annotated[Path | None, typer.Option(help="A model's folder; the shipped one when left out.", metavar="FOLDER")]
AsObject = Annotated[bool, typer.Option("--json", help="One JSON object instead of a page.")]


def _seeds(text: str) -> list[int]:
    first, dots, last = text.partition("..")
    try:
        found = list(range(int(first), int(last) + 1)) if dots else [int(one) for one in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter("write seeds as 101..105 or 101,103") from error
    if not found:
        raise typer.BadParameter(f"seeds go upwards: write {last}..{first}")
    return found


Seeds = Annotated[str, typer.Option(help="One cohort a seed, as 101..105 or 101,103.", metavar="SEEDS")]


@app.command("audit-fairness", rich_help_panel=PANEL)
def audit_fairness(
    site: Annotated[
        Path | None,
        typer.Option(help="A site's table (CSV or NDJSON) instead of simulated patients.", metavar="FILE"),
    ] = None,
    patients: Annotated[int, typer.Option(help="Simulated patients, at least 2000.", metavar="N")] = 12_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.", min=0, metavar="N")] = 101,
    bias: Annotated[
        float,
        typer.Option(help="Points of remission that one group loses, to see that it is found.", min=0, max=20),
    ] = 0,
    model: Folder = None,
    as_json: AsObject = False,
) -> None:
    """Compare every group with all others: ranking, calibration, regret; status 1 when one is flagged.

    A site's table has the columns prediction, outcome (1, 0 or empty) and groups such as sex, race or site.

    Example: undersign audit-fairness --site outcomes.csv
    """
    from service.model_life.audit_run import audit_simulated, audit_site

    if site is not None:
        raise typer.Exit(audit_site(site, as_json=as_json))
    raise typer.Exit(audit_simulated(model, patients, seed, bias, as_json=as_json))


@app.command(rich_help_panel=PANEL)
def monitor(
    reference: Annotated[Path, typer.Argument(help="The table of a time when all was well.", metavar="REFERENCE")],
    window: Annotated[Path, typer.Argument(help="The table to watch, in the order of time.", metavar="WINDOW")],
    as_json: AsObject = False,
) -> None:
    """Say what has changed from a reference to a window of live use; status 1 on an alarm.

    Tables are CSV or NDJSON with a column prediction; outcome, overridden, safety_event, ehr and groups where
    there are; every other column is a feature.

    Example: undersign monitor last-year.csv this-month.csv
    """
    from service.model_life.monitor_run import monitor_tables

    raise typer.Exit(monitor_tables(reference, window, as_json=as_json))


def register(app: typer.Typer, fhir_writer: Callable[[], "FhirWriter"]) -> None:
    """Add ``evaluate`` to ``app``; ``fhir_writer`` gives what writes one patient in every dialect."""

    @app.command(rich_help_panel=PANEL)
    def evaluate(  # pyright: ignore[reportUnusedFunction]
        seeds: Seeds = "101..105",
        patients: Annotated[int, typer.Option(help="Simulated patients a seed, at least 2000.", metavar="N")] = 12_000,
        out: Annotated[Path, typer.Option(help="Folder for the report.", metavar="DIR")] = Path("evaluation"),
        model: Folder = None,
        card: Annotated[bool, typer.Option("--card", help="Write the model card beside the report.")] = False,
        keep: Annotated[
            bool, typer.Option("--keep", help="Keep the result in the model's folder, where /model-card reads it.")
        ] = False,
        now: Now = None,
    ) -> None:
        """Measure the model on simulated patients that it was never trained on: report.html and evaluation.json.

        Some three minutes with the defaults. Status 1 when the leakage check fails; targets that are not met are
        in the report with the reason.

        Example: undersign evaluate --out evaluation --card
        """
        from service.model_life.evaluation_run import run

        day = now or today()
        raise typer.Exit(run(_seeds(seeds), patients, out, model, fhir_writer(), day, card=card, keep=keep))
