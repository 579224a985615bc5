"""The options that several commands of ``undersign check`` share, and what is made of them."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from conformance.errors import CheckError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    from conformance.suites.ehr.backend import Backend
    from conformance.suites.service.probe import Client

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
ClientId = Annotated[str, typer.Option(help="Our client's id at the EHR.", metavar="ID")]
ClientKey = Annotated[Path | None, typer.Option(help="Private JWK of that client (ES384, RS384).", metavar="FILE")]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="Certificates (PEM) of an authority to trust as well.", metavar="FILE")
]
Token = Annotated[str, typer.Option(help="An access token, where there is no key.", metavar="TOKEN")]
KeyFile = Annotated[Path | None, typer.Option(help="Private JWK that signs calls (ES384, RS384).", metavar="FILE")]


def now() -> datetime:
    """Return the instant of a run, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def command(suite: str, target: str, *given: tuple[str, object]) -> str:
    """Return the command that repeats a run, as a shell takes it; a value that starts with ``$`` is a variable."""
    words = [word for name, value in given if value for word in (name, str(value))]
    shown = [word if word.startswith("$") else shlex.quote(word) for word in (target, *words)]
    return " ".join(["undersign check", suite, *shown])


def backend(client_id: str, key: Path | None) -> "Backend":
    """Return a registered client of an EHR; CheckError U-CHECK-CLIENT."""
    from conformance.suites.ehr.backend import Backend

    if not client_id or key is None:
        raise CheckError("U-CHECK-CLIENT", "give both --client-id and --key, or neither")
    found, algorithm = _key(key)
    return Backend(client_id, found, algorithm)


def client(issuer: str, key: Path | None) -> "Client":
    """Return how calls of a CDS service are signed; CheckError U-CHECK-CLIENT."""
    from conformance.suites.service.probe import Client

    if not issuer or key is None:
        raise CheckError("U-CHECK-CLIENT", "give both --issuer and --key, or neither")
    found, algorithm = _key(key)
    return Client(issuer, found, algorithm)


def _key(path: Path) -> tuple["ECKey | RSAKey", str]:
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey, import_key

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckError("U-CHECK-CLIENT", f"the key {path} cannot be read: check its path") from error
    try:
        found = import_key(msgspec.json.decode(raw, type=dict[str, Any]))
    except (JoseError, ValueError, msgspec.MsgspecError) as error:
        raise CheckError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)") from error
    if not isinstance(found, ECKey | RSAKey) or not found.is_private:
        raise CheckError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)")
    return found, "ES384" if isinstance(found, ECKey) else "RS384"
