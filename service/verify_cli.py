"""``undersign drafts verify``: what can be proved of one draft's signature or rejection."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.command_options import Config

if TYPE_CHECKING:  # a fifth of a second of cryptography that no other command needs
    from service.drafts.trail.proof import Finding, Proof


def register(drafts_app: typer.Typer) -> None:
    """Add the command to ``undersign drafts``."""
    drafts_app.command("verify")(drafts_verify)


def drafts_verify(
    draft: Annotated[str, typer.Argument(help="The draft's id, whole, as drafts list has it.", metavar="ID")],
    config: Config = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the EHR; what it would say is unknown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of columns.")] = False,
) -> None:
    """Check a draft's signature or signed rejection, each check by its name; status 1 when one failed.

    Example: undersign drafts verify 48e630a4-0ac1-4ee8-8148-4cc1439eba7e
    """
    found = asyncio.run(_prove(draft, config, offline=offline))
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        _print(found)
    raise typer.Exit(1 if found.failed else 0)


async def _prove(draft_id: str, config: Path | None, *, offline: bool) -> "Proof":
    from service import operations
    from service.drafts import stores
    from service.drafts.signature import keys
    from service.drafts.signature.signing import Signer
    from service.ehr import hindsight
    from service.ehr.client import EhrClient

    settings = operations.settings_of(config)
    signer = Signer.load(settings.sign.key_file)
    store = stores.of(settings)
    await store.open()
    try:
        draft = await store.read(draft_id)
        tenant = None if offline else next((ehr for ehr in settings.ehr if ehr.id == draft.ehr), None)
        client = EhrClient(tenant, signer, settings) if tenant else None

        async def token() -> str | None:
            return await client.backend_token(hindsight.HISTORY_SCOPE) if client else None

        try:
            return await hindsight.prove(store, draft, keys.known(settings.sign, signer), client, token)
        finally:
            if client:
                await client.close()
    finally:
        await store.close()


def _print(found: "Proof") -> None:
    what = {"signature": "signature", "rejection": "signed rejection", "nothing": "neither signature nor rejection"}
    typer.echo(f"draft {found.draft}, {found.state}: {what[found.subject]}")
    for finding in found.findings:
        typer.echo(_line(finding))
    unknown = sum(finding.outcome == "unknown" for finding in found.findings)
    failed = sum(finding.outcome == "failed" for finding in found.findings)
    typer.echo(f"{len(found.findings)} checks: {failed} failed, {unknown} unknown")


def _line(finding: "Finding") -> str:
    said = ": ".join(text for text in (finding.code, finding.text) if text)
    return f"{finding.outcome:8} {finding.check:16} {said}".rstrip()
