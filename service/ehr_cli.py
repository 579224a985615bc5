"""``undersign ehr …``: what a hospital types in to connect, and a dry run of what its EHR sent."""

from pathlib import Path
from typing import Annotated

import typer

from service.command_options import Config, Now

ehr_app = typer.Typer(
    help="Connecting an EHR: what to type in there, and a dry run of its calls.\n\nExample: undersign ehr show north",
    no_args_is_help=True,
)
Identity = Annotated[str, typer.Argument(help="The tenant's ehr.id.", metavar="ID")]


@ehr_app.command("show")
def show(
    identity: Identity,
    html: Annotated[
        Path | None, typer.Option(help="Write one page instead, which needs no network.", metavar="FILE")
    ] = None,
    config: Config = None,
) -> None:
    """Show all that a hospital types in: addresses, tokens, prefetch, scopes, feedback, and sample cards.

    It holds no secret and nothing of a patient. Example: undersign ehr show north --html north.html
    """
    from service.onboarding.commands import show_tenant

    show_tenant(identity, html, config)


@ehr_app.command("try")
def try_request(
    identity: Identity,
    request: Annotated[Path, typer.Argument(help="A hook request as JSON; - is standard input.", metavar="REQUEST")],
    now: Now = None,
    config: Config = None,
) -> None:
    """Run one captured hook request dry: what was read, what was ignored and why, the gate, the card.

    Nothing is stored, fetched or logged; values of the chart are printed here. Status 1 where the service would
    refuse the request. Example: undersign ehr try north request.json --now 2026-11-22
    """
    from service.onboarding.commands import try_file

    raise typer.Exit(try_file(identity, request, now, config))
