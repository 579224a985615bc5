"""The command line: ``undersign …``. Errors are one line with a stable code; wrong usage ends with status 2."""

import os
import sys
from typing import Annotated, Any

import typer

from conformance.cli import check_app, reference_ehr
from fhir_adapters.errors import UndersignError
from service import verify_cli
from service.audit_cli import audit_app
from service.command_options import Config
from service.drafts_cli import drafts_app
from service.ehr_cli import ehr_app
from service.files_cli import files_app
from service.knowledge_pages.cli import knowledge_app
from service.model_life import evaluate_cli, model_cli, simulate_cli
from service.store_cli import store_app
from service.switches.cli import switch_app

app = typer.Typer(
    help="Draft psychotropic prescriptions, held until a practitioner signs them.\n\nExample: undersign demo --once",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_TRY, _RUN, _CONNECT = "Try it", "Run it", "Connect an EHR"
_PORTS: dict[str, Any] = {"min": 1, "max": 65_535, "metavar": "PORT"}


@app.command(rich_help_panel=_TRY)
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


@app.command(rich_help_panel=_RUN)
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


@app.command(rich_help_panel=_RUN)
def ready(port: Annotated[int, typer.Option(help="Port of the service on this machine.", **_PORTS)] = 8040) -> None:
    """Ask the service on this machine whether it is ready; status 1 when it is not.

    Example: undersign ready --port 8040
    """
    from service.health import is_ready

    found = is_ready(port)
    typer.echo("ready" if found else f"not ready: http://127.0.0.1:{port}/readyz does not answer 200")
    raise typer.Exit(0 if found else 1)


def _cohort_writer() -> Any:
    from conformance.reference_ehr import cohort

    return cohort


verify_cli.register(drafts_app)
simulate_cli.register(model_cli.app, _cohort_writer)
evaluate_cli.register(evaluate_cli.app, _cohort_writer)
# The order of the help: a command of its own comes before the groups.
app.command("reference-ehr", rich_help_panel=_TRY)(reference_ehr)
for commands, name, panel in (
    (drafts_app, "drafts", _RUN),
    (audit_app, "audit", _RUN),
    (switch_app, "switch", _RUN),
    (store_app, "store", _RUN),
    (ehr_app, "ehr", _CONNECT),
    (check_app, "check", _CONNECT),
    (files_app, None, None),
    (knowledge_app, "knowledge", model_cli.PANEL),
    (model_cli.app, None, None),
    (evaluate_cli.app, None, None),
):
    app.add_typer(commands, name=name, rich_help_panel=panel)


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
