"""``undersign check …``: what a hospital runs before it goes live, and after every change."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from conformance import compare, har, kinds, running, sample_cli, tenants
from conformance.errors import CheckError
from conformance.exchanges import Live, Replayed
from conformance.listening.command import check_cds_client
from conformance.options import (
    Accepted,
    Authority,
    ClientId,
    ClientKey,
    KeepPeople,
    KeyFile,
    Only,
    Out,
    Patients,
    ProfileName,
    Requests,
    Settings,
    Token,
    Verbose,
    Write,
    command,
    now,
)
from conformance.options import client as made_client
from conformance.reaching import reached
from conformance.running import Order

check_app = typer.Typer(
    help="Conformance: what works, what does not, who has to act.\n\nExample: undersign check service http://127.0.0.1:8040",
    no_args_is_help=True,
)


@check_app.command("service")
def check_service(
    url: Annotated[str, typer.Argument(help="Base address, without /cds-services.", metavar="URL")],
    issuer: Annotated[str, typer.Option(help="Issuer of the calls' tokens.", metavar="URL")] = "",
    key: KeyFile = None,
    ca: Authority = None,
    origin: Annotated[
        str, typer.Option(help="Origin of the EHR's pages, where a browser calls the service.", metavar="ORIGIN")
    ] = "",
    only: Only = None,
    out: Out = None,
    requests: Requests = 400,
    accepted: Accepted = None,
    keep_people: KeepPeople = False,
    verbose: Verbose = False,
) -> None:
    """Judge a CDS Hooks service, ours or not, from outside with synthetic charts.

    Example: undersign check service https://undersign.hospital.example --issuer https://ehr.example/fhir --key jwk.json
    """
    client = made_client(issuer, key) if issuer or key else None
    base = tenants.address(url, secret=client is not None)
    order = Order(
        kinds.service(),
        base,
        requests,
        now(),
        secrets.token_hex(8),
        command("service", base, ("--issuer", issuer), ("--key", key), ("--origin", origin), ("--ca", ca)),
        {"signed": client is not None, "origin": origin},
        {"client": client},
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
    )
    raise typer.Exit(running.run(order, Live(ca=ca)))


@check_app.command("ehr")
def check_ehr(
    target: Annotated[str, typer.Argument(help="FHIR base, or the tenant's ehr.id.", metavar="URL|ID")],
    patient: Patients = None,
    profile: ProfileName = "",
    client_id: ClientId = "",
    key: ClientKey = None,
    token: Token = "",
    ca: Authority = None,
    write: Write = False,
    only: Only = None,
    out: Out = None,
    requests: Requests = 400,
    config: Settings = None,
    accepted: Accepted = None,
    keep_people: KeepPeople = False,
    verbose: Verbose = False,
) -> None:
    """Judge an EHR: reach, discovery, tokens, searches, paging, content, codes, units, and what it feeds.

    It only reads, unless --write names a test patient. Example: undersign check ehr https://ehr.example/fhir
    --patient 123 --client-id undersign --key jwk.json --out report
    """
    people = tuple(patient or ())
    if write and not people:
        raise CheckError("U-CHECK-WRITE", "--write needs --patient: the test patient whose record may be written to")
    ehr = reached(target, config, people, profile, client_id, key, token)
    order = Order(
        kinds.ehr(),
        ehr.base,
        requests,
        now(),
        secrets.token_hex(8),
        command("ehr", ehr.base, *ehr.given, ("--ca", ca)) + (" --write" if write else ""),
        {**ehr.options, "write": people[0] if write else ""},
        ehr.secrets,
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
        write,
    )
    raise typer.Exit(running.run(order, Live(ca=ca)))


@check_app.command("bulk")
def check_bulk(
    target: Annotated[str, typer.Argument(help="FHIR base, or the tenant's ehr.id.", metavar="URL|ID")],
    group: Annotated[
        str, typer.Option(help="Export this Group's members: on a real EHR a small one.", metavar="ID")
    ] = "",
    patient: Patients = None,
    profile: ProfileName = "",
    client_id: ClientId = "",
    key: ClientKey = None,
    token: Token = "",
    ca: Authority = None,
    only: Only = None,
    out: Out = None,
    requests: Requests = 400,
    config: Settings = None,
    accepted: Accepted = None,
    keep_people: KeepPeople = False,
    verbose: Verbose = False,
) -> None:
    """Judge a bulk export: kick-off, status, manifest, files, and the same features by bulk and by REST.

    What it begins it gives back. Example: undersign check bulk https://ehr.example/fhir --group 42
    --client-id undersign --key jwk.json --out report
    """
    ehr = reached(target, config, tuple(patient or ()), profile, client_id, key, token)
    order = Order(
        kinds.bulk(),
        ehr.base,
        requests,
        now(),
        secrets.token_hex(8),
        command("bulk", ehr.base, ("--group", group), *ehr.given, ("--ca", ca)),
        {**ehr.options, "group": group},
        ehr.secrets,
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
    )
    raise typer.Exit(running.run(order, Live(ca=ca)))


check_app.command("cds-client")(check_cds_client)


check_app.command("adapter")(sample_cli.check_adapter)


@check_app.command("replay")
def check_replay(
    recording: Annotated[Path, typer.Argument(help="The .har of an earlier run.", metavar="RUN.HAR")],
    out: Out = None,
    accepted: Accepted = None,
    verbose: Verbose = False,
) -> None:
    """Judge recorded answers again, without any network.

    Example: undersign check replay report/service.har
    """
    exchanges, about = har.read(recording)
    kind = kinds.KINDS.get(str(about.get("suite")))
    if kind is None:
        raise CheckError("U-CHECK-RECORDING", "this recording is of no suite that is known here")
    order = Order(
        kind(),
        str(about["target"]),
        len(exchanges) + 1,
        datetime.fromisoformat(str(about["started"])),
        str(about["seed"]),
        str(about.get("command", "")),
        # Recordings of the first format had the one option beside the rest.
        about.get("options", {"signed": about.get("signed", False)}),
        {"recorded": exchanges},  # for the suite that judges what came in
        tuple(about.get("only", ())),
        out,
        accepted,
        keep_people=True,  # what was to be masked is masked already
        verbose=verbose,
        write=bool(about.get("write")),
    )
    raise typer.Exit(running.run(order, Replayed(exchanges)))


@check_app.command("diff")
def check_diff(
    before: Annotated[Path, typer.Argument(help="The .json of the earlier run.", metavar="A")],
    after: Annotated[Path, typer.Argument(help="The .json of the later run.", metavar="B")],
) -> None:
    """Compare two runs: what is new, fixed, changed, no longer tested. Status 1 when something got worse.

    Example: undersign check diff march/service.json april/service.json
    """
    found = compare.differences(compare.load(before), compare.load(after))
    for one in found:
        typer.echo(f"{one.kind:17} {one.check:28} {one.before or '–'} → {one.after or '–'}  {one.message}")
    if not found:
        typer.echo("no difference")
    raise typer.Exit(1 if any(one.worse for one in found) else 0)


check_app.command("schema")(sample_cli.check_schema)


def reference_ehr(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65_535, metavar="PORT")] = 8090,
    dialect: Annotated[
        str, typer.Option(help="How charts are served: a shipped profile's name.", metavar="NAME")
    ] = "base-r4",
    service: Annotated[str, typer.Option(help="The CDS service to call and to launch.", metavar="URL")] = "",
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What is wrong with it; again for more. --fault help lists them.", metavar="NAME"),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="JWK of the client conformance-check; made where there is none.", metavar="FILE")
    ] = None,
) -> None:
    """Run the reference EHR on this machine: synthetic patients, in any dialect, with any fault.

    Example: undersign reference-ehr --dialect epic-r4 --fault wrong-unit --key key.json
    """
    from conformance.reference_ehr import serving  # a server: half a second that no other command needs

    if fault == ["help"]:
        typer.echo(serving.listed())
        raise typer.Exit(0)
    serving.serve(serving.Served(port, dialect, service.rstrip("/"), tuple(fault or ()), key), typer.echo)
