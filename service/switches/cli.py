"""``undersign switch …``: stop a tenant, a drug or the model, or run it in the shadow, without a restart."""

from pathlib import Path
from typing import Annotated

import typer

from service.command_options import Config
from service.switches.in_force import DRUG, EVERY_SERVICE, EVERYWHERE, MODEL, SHADOW, TENANT

switch_app = typer.Typer(
    help="Stop switches and shadow mode, kept in the audit chain.\n\nExample: undersign switch list",
    no_args_is_help=True,
)
What = Annotated[str, typer.Argument(help="tenant, model, or drug:NAME by its name in the formulary.", metavar="WHAT")]
Tenant = Annotated[str, typer.Option("--ehr", help="The tenant's ehr.id, or all for the whole service.", metavar="ID")]
By = Annotated[str, typer.Option(help="Who decides this; kept in the audit chain.", metavar="NAME")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit chain.", metavar="TEXT")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]


@switch_app.command("list")
def list_all(config: Config = None, as_json: AsJson = False) -> None:
    """List every switch that was ever pulled, and how it stands.

    Example: undersign switch list --json
    """
    from service.switches.commands import list_switches

    list_switches(config, as_json=as_json)


@switch_app.command("stop")
def stop(what: What, ehr: Tenant, by: By, reason: Reason, config: Config = None, as_json: AsJson = False) -> None:
    """Stop a tenant, the model or a drug: the next call already meets it.

    Example: undersign switch stop drug:citalopram --ehr north --by "Head of pharmacy" --reason "recall of a batch"
    """
    _set(config, _subject(what), ehr, by, reason, pulled=True, as_json=as_json)


@switch_app.command("start")
def start(what: What, ehr: Tenant, by: By, reason: Reason, config: Config = None, as_json: AsJson = False) -> None:
    """Put a stop switch back.

    Example: undersign switch start model --ehr all --by "Clinical safety officer" --reason "reviewed on 2 June"
    """
    _set(config, _subject(what), ehr, by, reason, pulled=False, as_json=as_json)


@switch_app.command("shadow")
def shadow(
    service: Annotated[str, typer.Argument(help="A CDS service's id, or all.", metavar="SERVICE")],
    ehr: Tenant,
    by: By,
    reason: Reason,
    off: Annotated[bool, typer.Option("--off", help="Show cards again.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate and record the calls of a service and show nothing, crisis cards neither; --off shows them again.

    Example: undersign switch shadow psychotropic-options --ehr north --by "Project lead" --reason "silent trial"
    """
    subject = f"{SHADOW}{EVERY_SERVICE if service == 'all' else service}"
    _set(config, subject, ehr, by, reason, pulled=not off, as_json=as_json)


@switch_app.command("show")
def show(ehr: Tenant, config: Config = None, as_json: AsJson = False) -> None:
    """Show what acts at a tenant, who switched what when, and what shadow calls came to.

    Example: undersign switch show --ehr north
    """
    from service.switches.commands import show_switches

    show_switches(config, _tenant(ehr), as_json=as_json)


def _set(config: Path | None, subject: str, ehr: str, by: str, reason: str, *, pulled: bool, as_json: bool) -> None:
    from service.switches.commands import print_set, set_switch

    if not (by.strip() and reason.strip()):
        raise typer.BadParameter("say who decides this (--by) and why (--reason)")
    found, new = set_switch(config, subject, _tenant(ehr), by.strip(), reason.strip(), pulled=pulled)
    print_set(found, new=new, as_json=as_json)


def _subject(what: str) -> str:
    if what in (TENANT, MODEL) or what.startswith(DRUG):
        return what
    raise typer.BadParameter("name tenant, model or drug:NAME; shadow mode has a command of its own")


def _tenant(ehr: str) -> str:
    return EVERYWHERE if ehr == "all" else ehr
