"""``undersign audit``: the chains checked, checkpoints over them, the trail for others, a decision once more."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from service.command_options import Config

audit_app = typer.Typer(help="The audit chain.\n\nExample: undersign audit verify", no_args_is_help=True)


class Format(StrEnum):
    """How the trail is written, one JSON object a line."""

    fhir = "fhir"
    jsonl = "jsonl"


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write a day or an instant, as 2026-11-22 or 2026-11-22T10:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_WHEN: dict[str, Any] = {"parser": _instant, "metavar": "TIME"}


@audit_app.command("verify")
def audit_verify(
    config: Config = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="The file of checkpoints; audit.checkpoint_file when left out.", metavar="FILE")
    ] = None,
) -> None:
    """Walk every audit chain, signature and checkpoint; status 1 when a fault is found.

    Example: undersign audit verify --config undersign.toml --checkpoints /mnt/elsewhere/checkpoints.jsonl
    """
    from service.audit_commands import verify

    raise typer.Exit(verify(config, checkpoints))


@audit_app.command("checkpoint")
def audit_checkpoint(config: Config = None) -> None:
    """Make a signed checkpoint now over all chains; status 1 when a chain that an earlier one saw is gone.

    Example: undersign audit checkpoint --config undersign.toml
    """
    from service.audit_commands import checkpoint

    raise typer.Exit(checkpoint(config))


@audit_app.command("export")
def audit_export(
    config: Config = None,
    form: Annotated[
        Format, typer.Option("--format", help="AuditEvents by IHE BALP, or the chain's own entries.")
    ] = Format.fhir,
    since: Annotated[
        datetime | None, typer.Option("--from", help="Entries at or after this time (UTC).", **_WHEN)
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Entries before this time (UTC).", **_WHEN)] = None,
    ehr: Annotated[str | None, typer.Option(help="Of one tenant.", metavar="ID")] = None,
    patient: Annotated[str | None, typer.Option(help="Of one patient, as Patient/123.", metavar="REFERENCE")] = None,
    comments: Annotated[
        bool, typer.Option("--comments", help="With the free comments, which may hold clinical text (jsonl only).")
    ] = False,
) -> None:
    """Write the audit trail to standard output, one JSON object a line, chain by chain.

    Example: undersign audit export --from 2026-11-01 --ehr north > trail.ndjson
    """
    from service.audit_commands import Wanted, export

    if comments and form is Format.fhir:
        raise typer.BadParameter("comments are written with --format jsonl only")
    export(config, Wanted(since, until, ehr, patient), as_fhir=form is Format.fhir, comments=comments)


@audit_app.command("forget")
def audit_forget(
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides this; kept in the audit chain.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit chain.")],
    config: Config = None,
) -> None:
    """Remove who looked at what of years older than audit.keep_accesses_years; export them first.

    Example: undersign audit forget --by "Privacy officer" --reason "kept for six years"
    """
    from service.audit_commands import forget

    if not by.strip() or not reason.strip():
        raise typer.BadParameter("say who decides this (--by) and why (--reason)")
    forget(config, by, reason)


@audit_app.command("replay")
def audit_replay(
    draft: Annotated[str, typer.Argument(help="The draft's id, whole, as drafts list has it.", metavar="ID")],
    config: Config = None,
) -> None:
    """Work a decision out again from its record; status 1 when the draft comes out as another.

    Example: undersign audit replay 48e630a4-0ac1-4ee8-8148-4cc1439eba7e
    """
    from service.audit_commands import replay

    raise typer.Exit(replay(config, draft))
