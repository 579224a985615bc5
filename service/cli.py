"""The command line: ``undersign …``. Errors are one line with a stable code; wrong usage ends with status 2."""

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from conformance.cli import check_app, reference_ehr
from fhir_adapters.errors import UndersignError
from recommender.assessment import ConsentDefault
from service import verify_cli
from service.audit_cli import audit_app
from service.drafts_cli import drafts_app
from service.ehr_cli import ehr_app
from service.knowledge_pages.cli import PackFolder, knowledge_app
from service.model_life import evaluate_cli, model_cli, simulate_cli, site_cli
from service.store_cli import store_app
from service.switches.cli import switch_app

app = typer.Typer(
    help="Draft psychotropic prescriptions, held until a practitioner signs them.\n\nExample: undersign demo --once",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(drafts_app, name="drafts")
app.add_typer(audit_app, name="audit")
app.add_typer(knowledge_app, name="knowledge")
app.add_typer(ehr_app, name="ehr")
app.add_typer(model_cli.app)
app.add_typer(evaluate_cli.app)
app.add_typer(check_app, name="check")
app.command("reference-ehr")(reference_ehr)
app.add_typer(store_app, name="store")
app.add_typer(switch_app, name="switch")


def _cohort_writer() -> Any:
    from conformance.reference_ehr import cohort

    return cohort


evaluate_cli.register(app, _cohort_writer)
simulate_cli.register(app, _cohort_writer)
verify_cli.register(drafts_app)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write the day as 2026-11-22") from error


Files = Annotated[
    list[Path], typer.Argument(help="FHIR JSON: Bundle, resource, list or NDJSON; - is standard input.", metavar="FILE")
]
FilesOrNone = Annotated[
    list[Path] | None,
    typer.Argument(help="FHIR JSON: Bundle, resource, list or NDJSON; - is standard input.", metavar="FILE"),
]
Profile = Annotated[str | None, typer.Option(help="A shipped dialect profile or a path.", metavar="NAME")]
Now = Annotated[
    date | None, typer.Option(help="The day to assess on; today when left out.", parser=_date, metavar="DATE")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a file.")]
AsArray = Annotated[bool, typer.Option("--json", help="JSON instead of columns.")]
Config = Annotated[
    Path | None, typer.Option(help="The TOML file; else UNDERSIGN_CONFIG, else undersign.toml here.", metavar="FILE")
]
_PORTS: dict[str, Any] = {"min": 1, "max": 65_535, "metavar": "PORT"}


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", **_PORTS)] = 8040,
    workers: Annotated[int, typer.Option(help="Worker processes, one a core.", min=1, metavar="N")] = 1,
    config: Config = None,
) -> None:
    """Run the service.

    Example: undersign serve --config undersign.toml --port 8040
    """
    from service.server import run

    run(host, port, workers, config)


@app.command()
def ready(port: Annotated[int, typer.Option(help="Port of the service on this machine.", **_PORTS)] = 8040) -> None:
    """Ask the service on this machine whether it is ready; status 1 when it is not.

    Example: undersign ready --port 8040
    """
    from service.health import is_ready

    found = is_ready(port)
    typer.echo("ready" if found else f"not ready: http://127.0.0.1:{port}/readyz does not answer 200")
    raise typer.Exit(0 if found else 1)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the service; a free one when left out.", **_PORTS)] = None,
    dialect: Annotated[
        str | None,
        typer.Option(help="How the EHR serves its charts: a shipped profile's name, such as epic-r4.", metavar="NAME"),
    ] = None,
) -> None:
    """Tell the whole story on this machine with a synthetic EHR.

    With --dialect the EHR serves its charts as that system, guide or FHIR version does, and the service reads
    them with the profile of that name. The signed order is written in R4 in every dialect.

    Example: undersign demo --once --dialect ips
    """
    from conformance import demo as story

    raise typer.Exit(story.run(once=once, port=port, dialect=dialect))


@app.command()
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
        raise typer.Exit(coverage_of(coverage, profile, now or _today(), as_json=as_json))
    if engine is site_cli.Engine.dask or any(path.is_dir() for path in files or []):
        if not as_json:
            raise typer.BadParameter("of folders, and on a cluster, features are printed with --json")
        raise typer.Exit(site_cli.features(files or [], profile or "base-r4", now or _today(), engine, scheduler))
    raise typer.Exit(features_of(files or [], profile, now or _today(), as_json=as_json))


@app.command()
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
        now or _today(),
        preferences,
        jurisdiction,
        as_json=as_json,
        pack=pack,
        consent_default=consent_default,
    )
    raise typer.Exit(found)


def _today() -> date:
    return datetime.now().date()


def main() -> None:
    """Run the command line: the one outermost boundary of a command's errors."""
    try:
        status = app(standalone_mode=False)
    except UndersignError as error:
        _fail(error.code, error.message, 2)
    except typer.Abort:
        _fail("U-STOPPED", "stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail("U-FILE", f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), 2)
    except Exception as error:  # noqa: BLE001 - the process boundary: a usage error or a fault of ours, never a trace
        _unforeseen(error)
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _unforeseen(error: Exception) -> None:
    message = getattr(error, "format_message", None)
    if callable(message):
        said = str(message()).strip().rstrip(".") or "a command is missing"
        _fail("U-USAGE", f"{said}. Try --help.", 2)
    if os.environ.get("UNDERSIGN_DEBUG"):
        raise error
    _fail(
        "U-INTERNAL",
        f"{type(error).__name__}: a fault of this program; set UNDERSIGN_DEBUG=1 for its trace.",
        2,
    )


def _fail(code: str, message: str, status: int) -> None:
    print(f"{code}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
