"""``undersign drafts``: what is held, what has stopped, and the word that lets it go on."""

from typing import Annotated

import typer

from service.command_options import Config

AsArray = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DraftId = Annotated[str, typer.Argument(help="The draft's id, whole, as drafts list has it.", metavar="ID")]
drafts_app = typer.Typer(
    help="The operators' view of held drafts.\n\nExample: undersign drafts list", no_args_is_help=True
)


@drafts_app.command("list")
def drafts_list(
    config: Config = None,
    as_json: AsArray = False,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Only drafts in this state; may be repeated.")
    ] = None,
) -> None:
    """List drafts, ended ones too.

    Example: undersign drafts list --state parked --state mismatch
    """
    from service.drafts.states import STATES
    from service.operations import list_drafts

    asked = state or []
    if unknown := [one for one in asked if one not in STATES]:
        raise typer.BadParameter(f"{unknown[0]} is no state; one of {', '.join(STATES)}")
    list_drafts(config, [one for one in STATES if one in asked], as_json=as_json)


@drafts_app.command("show")
def drafts_show(draft: DraftId, config: Config = None, as_json: AsArray = False) -> None:
    """Show one draft with its history and, where it has stopped, what to do.

    Example: undersign drafts show 48e630a4-0ac1-4ee8-8148-4cc1439eba7e
    """
    from service.operations import show_draft

    show_draft(config, draft, as_json=as_json)


@drafts_app.command("release")
def drafts_release(
    draft: DraftId,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so; kept in the audit chain.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept beside the audit chain.")],
    retry: Annotated[bool, typer.Option("--retry", help="Write it again, at once.")] = False,
    resolved: Annotated[bool, typer.Option("--resolved", help="It is right in the EHR now.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="It is not to be written; the EHR does not have it.")] = False,
    config: Config = None,
) -> None:
    """Let a write-back go on, or end it, that stopped and waits for a person.

    Example: undersign drafts release 48e630a4-0ac1-4ee8-8148-4cc1439eba7e --retry --by "On-call" --reason "scopes set"
    """
    from service.operations import release_draft

    if retry + resolved + drop != 1:
        raise typer.BadParameter("say one of --retry, --resolved and --drop")
    word = "released" if retry else "resolved" if resolved else "revoked"
    release_draft(config, draft, word, by, reason)


@drafts_app.command("expire")
def drafts_expire(config: Config = None) -> None:
    """End unsigned drafts past their time now.

    Example: undersign drafts expire
    """
    from service.operations import expire_drafts

    expire_drafts(config)
