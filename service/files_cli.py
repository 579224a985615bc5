"""The commands that read files and need no server: ``undersign features`` and ``undersign assess``."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.assessment import ConsentDefault
from service.command_options import Now, today
from service.knowledge_pages.cli import PackFolder
from service.model_life import site_cli

files_app = typer.Typer()


Files = Annotated[
    list[Path], typer.Argument(help="FHIR JSON: Bundle, resource, list or NDJSON; - is standard input.", metavar="FILE")
]
FilesOrNone = Annotated[
    list[Path] | None,
    typer.Argument(help="FHIR JSON: Bundle, resource, list or NDJSON; - is standard input.", metavar="FILE"),
]
Profile = Annotated[str | None, typer.Option(help="A shipped dialect profile or a path.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a file.")]
AsArray = Annotated[bool, typer.Option("--json", help="JSON instead of columns.")]


@files_app.command(rich_help_panel="Read charts")
def features(
    files: FilesOrNone = None,
    profile: Profile = None,
    now: Now = None,
    coverage: Annotated[
        Path | None,
        typer.Option(help="Instead of FILE: report what the profile feeds over a folder of patients.", metavar="DIR"),
    ] = None,
    as_json: AsJson = False,
    engine: Annotated[site_cli.Engine, typer.Option(help="Where the work is done.")] = site_cli.Engine.local,
    scheduler: Annotated[
        str | None, typer.Option(help="Of a Dask cluster; two workers here when left out.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Read FHIR into the canonical feature vector, each value with its source.

    Folders are bulk exports or patients' files: with --json one line a patient, on a Dask cluster with --engine dask.

    Example: undersign features --json chart.json, or undersign features --profile epic-r4 --coverage exports/
    """
    from service.coverage.report import coverage_of
    from service.files import features_of

    if (coverage is None) == (not files):
        raise typer.BadParameter("name either files or --coverage DIR")
    site_cli.check_engine(engine, scheduler)
    if coverage is not None:
        raise typer.Exit(coverage_of(coverage, profile, now or today(), as_json=as_json))
    if engine is site_cli.Engine.dask or any(path.is_dir() for path in files or []):
        if not as_json:
            raise typer.BadParameter("of folders, and on a cluster, features are printed with --json")
        raise typer.Exit(site_cli.features(files or [], profile or "base-r4", now or today(), engine, scheduler))
    raise typer.Exit(features_of(files or [], profile, now or today(), as_json=as_json))


@files_app.command(rich_help_panel="Read charts")
def assess(
    files: Files,
    profile: Profile = None,
    now: Now = None,
    preferences: Annotated[
        Path | None, typer.Option(help='JSON object of weights, such as {"stopping": -1.0}.', metavar="FILE")
    ] = None,
    jurisdiction: Annotated[
        str | None, typer.Option(help="Where care is given, such as US-MA.", metavar="CODE")
    ] = None,
    consent_default: Annotated[
        ConsentDefault, typer.Option(help="What holds where no Consent is on file.")
    ] = "opt-out",
    pack: PackFolder = None,
    as_json: AsJson = False,
) -> None:
    """Assess patients without a server: adapters and recommender.

    Example: undersign assess --now 2026-11-22 chart.json
    """
    from service.files import assess_files

    found = assess_files(
        files,
        profile,
        now or today(),
        preferences,
        jurisdiction,
        as_json=as_json,
        pack=pack,
        consent_default=consent_default,
    )
    raise typer.Exit(found)
