"""``undersign check …``: what a hospital runs before it goes live, and after every change."""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from conformance import compare, har, kinds, running, tenants
from conformance.errors import CheckError
from conformance.exchanges import Live, Replayed
from conformance.running import Order
from fhir_adapters.dialect import profile as profiles

if TYPE_CHECKING:
    from conformance.suites.ehr.backend import Backend
    from conformance.suites.service.probe import Client

check_app = typer.Typer(
    help="Conformance: what works, what does not, who has to act.\n\nExample: undersign check service http://127.0.0.1:8040",
    no_args_is_help=True,
)
Only = Annotated[
    list[str] | None,
    typer.Option(help="Only checks of this id, or whose id starts so; again for more.", metavar="ID"),
]
Out = Annotated[Path | None, typer.Option(help="Folder for the reports and the evidence.", metavar="DIR")]
Requests = Annotated[int, typer.Option(help="At most so many requests.", min=1, metavar="N")]
Accepted = Annotated[
    Path | None, typer.Option("--waivers", help="TOML of accepted findings: reason, owner, end.", metavar="FILE")
]
KeepPeople = Annotated[
    bool, typer.Option("--keep-people", help="Leave names and numbers of people in the evidence; tokens never stay.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print passed checks too.")]
Patients = Annotated[
    list[str] | None, typer.Option(help="Patient id; again for more. The first five found else.", metavar="ID")
]
ProfileName = Annotated[
    str, typer.Option(help="A shipped dialect profile or a path; told by the EHR's software else.", metavar="NAME")
]
Write = Annotated[
    bool, typer.Option("--write", help="Write orders for the first --patient, a test patient, and take them back.")
]
Settings = Annotated[Path | None, typer.Option(help="The service's TOML file, for a tenant's id.", metavar="FILE")]
KeyFile = Annotated[Path | None, typer.Option(help="Private JWK that signs calls (ES384, RS384).", metavar="FILE")]


@check_app.command("service")
def check_service(
    url: Annotated[str, typer.Argument(help="Base address, without /cds-services.", metavar="URL")],
    issuer: Annotated[str, typer.Option(help="Issuer of the calls' tokens.", metavar="URL")] = "",
    key: KeyFile = None,
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
    client = _client(issuer, key) if issuer or key else None
    base = url.rstrip("/")
    order = Order(
        kinds.service(),
        base,
        requests,
        _now(),
        secrets.token_hex(8),
        _command("service", base, ("--issuer", issuer), ("--key", key)),
        {"signed": client is not None},
        {"client": client},
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
    )
    raise typer.Exit(running.run(order, Live()))


@check_app.command("ehr")
def check_ehr(
    target: Annotated[str, typer.Argument(help="FHIR base, or the tenant's ehr.id.", metavar="URL|ID")],
    patient: Patients = None,
    profile: ProfileName = "",
    client_id: Annotated[str, typer.Option(help="Our client's id at the EHR.", metavar="ID")] = "",
    key: Annotated[Path | None, typer.Option(help="Private JWK of that client (ES384, RS384).", metavar="FILE")] = None,
    token: Annotated[str, typer.Option(help="An access token, where there is no key.", metavar="TOKEN")] = "",
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
    tenant = tenants.find(target, config)
    people = tuple(patient or ())
    if write and not people:
        raise CheckError("U-CHECK-WRITE", "--write needs --patient: the test patient whose record may be written to")
    named = client_id or (tenant.client_id if key else "")
    backend = _backend(named, key) if named or key else None
    dialect = profile or tenant.profile
    if dialect:
        profiles.load(dialect)  # a mistyped name is no finding about the EHR
    given = (("--profile", dialect), ("--client-id", named), ("--key", key), ("--token", "$TOKEN" if token else ""))
    listed = tuple(("--patient", one) for one in people)
    order = Order(
        kinds.ehr(),
        tenant.base,
        requests,
        _now(),
        secrets.token_hex(8),
        _command("ehr", tenant.base, *listed, *given) + (" --write" if write else ""),
        {
            "patients": list(people),
            "profile": dialect,
            "write": people[0] if write else "",
            "signed": backend is not None,
            "with_token": bool(token),
        },
        {"backend": backend, "token": token},
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
        write,
    )
    raise typer.Exit(running.run(order, Live()))


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
        {},
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


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _command(suite: str, target: str, *given: tuple[str, object]) -> str:
    """Return the command that repeats a run."""
    words = [word for name, value in given if value for word in (name, str(value))]
    return " ".join(["undersign check", suite, target, *words])


def _backend(client_id: str, key: Path | None) -> "Backend":
    from conformance.suites.ehr.backend import Backend

    if not client_id or key is None:
        raise CheckError("U-CHECK-CLIENT", "give both --client-id and --key, or neither")
    found, algorithm = _key(key)
    return Backend(client_id, found, algorithm)


def _client(issuer: str, key: Path | None) -> "Client":
    from conformance.suites.service.probe import Client

    if not issuer or key is None:
        raise CheckError("U-CHECK-CLIENT", "give both --issuer and --key, or neither")
    found, algorithm = _key(key)
    return Client(issuer, found, algorithm)


def _key(path: Path) -> tuple[ECKey | RSAKey, str]:
    try:
        found = import_key(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
    except (OSError, JoseError, ValueError, msgspec.MsgspecError) as error:
        raise CheckError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)") from error
    if not isinstance(found, ECKey | RSAKey) or not found.is_private:
        raise CheckError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)")
    return found, "ES384" if isinstance(found, ECKey) else "RS384"
