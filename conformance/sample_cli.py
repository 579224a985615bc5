"""``undersign check adapter`` and ``check schema``: what needs no server."""

import secrets
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from conformance import kinds, running
from conformance.errors import CheckError
from conformance.exchanges import Replayed
from conformance.options import Accepted, Only, Out, Verbose, command, now
from conformance.running import Order
from fhir_adapters.dialect import profile as profiles


def check_adapter(
    profile: Annotated[str, typer.Argument(help="A shipped dialect profile or a path.", metavar="PROFILE")],
    samples: Annotated[Path, typer.Option(help="Folder of sample payloads: .json, .ndjson.", metavar="DIR")],
    golden: Annotated[
        Path | None, typer.Option(help="Folder of golden files: what each sample gave.", metavar="DIR")
    ] = None,
    update: Annotated[bool, typer.Option("--update-golden", help="Write the golden files anew.")] = False,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Change samples in many ways: none may become another value.")
    ] = False,
    day: Annotated[
        datetime | None, typer.Option("--now", formats=["%Y-%m-%d"], help="Read as of this day.", metavar="DATE")
    ] = None,
    only: Only = None,
    out: Out = None,
    accepted: Accepted = None,
    verbose: Verbose = False,
) -> None:
    """Judge a profile over sample payloads, without any server: features, codes, units, and the line to paste.

    Samples are Bundles, lists, NDJSON by type, prefetch values or whole hook calls, in any FHIR version that is read.
    Example: undersign check adapter north.toml --samples payloads/ --golden golden/ --mutate --out report
    """
    if not samples.is_dir():
        raise CheckError("U-CHECK-SAMPLES", f"{samples} is no folder that can be opened: check its path")
    if not any(path.suffix in (".json", ".ndjson") for path in samples.rglob("*")):
        raise CheckError("U-CHECK-SAMPLES", f"no sample (.json, .ndjson) lies in {samples}")
    if update and golden is None:
        raise CheckError("U-CHECK-SAMPLES", "--update-golden needs --golden: the folder that they are written to")
    profiles.load(profile)
    given = (("--samples", samples), ("--golden", golden or ""), ("--now", day.date() if day else ""))
    order = Order(
        kinds.adapter(),
        profile,
        0,
        now(),
        secrets.token_hex(8),
        command("adapter", profile, *given) + (" --mutate" if mutate else ""),
        {
            "profile": profile,
            "samples": str(samples),
            "golden": str(golden or ""),
            "update": update,
            "mutate": mutate,
            "day": str(day.date()) if day else "",
        },
        {},
        tuple(only or ()),
        out,
        accepted,
        verbose=verbose,
    )
    raise typer.Exit(running.run(order, Replayed(())))


def check_schema() -> None:
    """Print the JSON Schema of the reports that --out writes as .json.

    Example: undersign check schema > report.schema.json
    """
    typer.echo(files("conformance.report").joinpath("report.schema.json").read_text("utf-8"), nl=False)
