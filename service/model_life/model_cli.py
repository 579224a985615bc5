"""``undersign train``: a model from published trials, or updated on a site's own records."""

from pathlib import Path
from typing import Annotated, Final

import typer

from service.command_options import Now, today
from service.model_life import site_cli

app = typer.Typer()
PANEL: Final = "Knowledge and model"


@app.command(rich_help_panel=PANEL)
def train(
    out: Annotated[
        Path, typer.Option(help="Folder for the model; with --site for all of its versions.", metavar="FOLDER")
    ],
    patients: Annotated[int, typer.Option(help="Simulated patients, at least 500.", min=500, metavar="N")] = 50_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.", metavar="N")] = 1,
    now: Now = None,
    site: Annotated[
        Path | None, typer.Option(help="Update on a site's own FHIR export, by the change plan.", metavar="DIR")
    ] = None,
    site_id: Annotated[
        str, typer.Option(help="The site's name, the same at every update: who is held out hangs on it.", metavar="ID")
    ] = "site",
    profile: Annotated[str, typer.Option(help="How the site writes FHIR.", metavar="NAME")] = "base-r4",
    rollback: Annotated[bool, typer.Option("--rollback", help="Undo the last update in FOLDER.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train anew over the model that is in FOLDER; not with --site.")
    ] = False,
    engine: Annotated[site_cli.Engine, typer.Option(help="Where the work is done.")] = site_cli.Engine.local,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a Dask cluster; two workers here when left out.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Train the depression model on a cohort simulated from published trials, or update it on a site's own records.

    With --site it is recalibrated, then fine-tuned, only as far as the gates of the change plan let it; status 1
    when nothing changes. --now is then the last day that the export tells of.

    Example: undersign train --out model, or undersign train --site export/ --site-id north --out north-model
    """
    day = now or today()
    if rollback and site is not None:
        raise typer.BadParameter("name --site or --rollback, not both")
    if force and (rollback or site is not None):
        raise typer.BadParameter("--force is for training anew: an update never overwrites a model")
    site_cli.check_engine(engine, scheduler)
    if rollback:
        raise typer.Exit(site_cli.roll_back(out, day))
    if site is not None:
        raise typer.Exit(site_cli.update(site, out, site_id, profile, day, engine, scheduler))
    site_cli.train(out, patients, seed, day, engine, scheduler, force=force)
