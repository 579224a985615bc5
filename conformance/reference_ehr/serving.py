"""Serving the reference EHR on loopback: which dialect, which faults, for which client."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key
from starlette.types import ASGIApp

from conformance.errors import CheckError
from conformance.reference_ehr import dialects, faults
from conformance.reference_ehr.clients import Client
from conformance.reference_ehr.discovery import CREATABLE
from conformance.reference_ehr.ehr import build, default_clients
from conformance.reference_ehr.server import create_app

CLIENT = "conformance-check"
_SCOPES = ("system/*.rs", *(f"system/{name}.crus" for name in CREATABLE))


@dataclass(frozen=True, slots=True)
class Served:
    """What is served. ``service``: the CDS service, empty for none; ``key``: of the client ``conformance-check``."""

    port: int
    dialect: str = dialects.PLAIN
    service: str = ""
    faults: tuple[str, ...] = ()
    key: Path | None = None
    token_life: timedelta = timedelta(minutes=15)

    @property
    def root(self) -> str:
        """The origin."""
        return f"http://127.0.0.1:{self.port}"


def application(served: Served) -> ASGIApp:
    """Return the application; CheckError U-REF-DIALECT, U-REF-FAULT, U-REF-KEY."""
    if served.dialect not in dialects.names():
        raise CheckError("U-REF-DIALECT", f"there is no such dialect; there are: {', '.join(dialects.names())}")
    switched = faults.parse(served.faults)
    clients = default_clients(served.service or None)
    if served.key is not None:
        clients = (*clients, Client(CLIENT, _SCOPES, jwks={"keys": [_public(served.key)]}))
    ehr = build(
        served.root,
        served.service or None,
        clients=clients,
        token_life=served.token_life,
        dialect=served.dialect,
        habits=faults.habits(served.faults),
    )
    return faults.switched(create_app(ehr), ehr, switched)


def serve(served: Served, said: Callable[[str], Any]) -> None:
    """Serve until interrupted, after saying where and how it is checked."""
    app = application(served)
    said(f"open this: {served.root} (charts, cards and orders in a browser)")
    said(f"reference EHR: FHIR {served.root}/fhir, dialect {served.dialect}")
    for fault, value in faults.parse(served.faults):
        said(f"fault: {fault.what}{f' ({value})' if value else ''}")
    for habit in faults.habits(served.faults):
        said(f"fault: {habit.what}")
    if served.key is not None:
        access = f"--client-id {CLIENT} --key {served.key}"
        said(f"check it: undersign check ehr {served.root}/fhir --profile {served.dialect} {access}")
    uvicorn.run(app, host="127.0.0.1", port=served.port, log_level="warning", access_log=False)


def listed() -> str:
    """Return the faults, one a line."""
    rows = [(f"{one.name}={one.value}" if one.value else one.name, one.what) for one in faults.FAULTS.values()]
    rows += [(one.name, f"{one.what} (as a CDS client)") for one in faults.HABITS.values()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {what}" for name, what in rows)


def _public(path: Path) -> dict[str, Any]:
    """Return the public half of the key in a file, which is made where there is none."""
    if not path.exists():
        made = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made.as_dict(private=True), file)
    try:
        found = import_key(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
    except (JoseError, ValueError, msgspec.MsgspecError) as error:
        raise CheckError("U-REF-KEY", "the key is no private JWK (EC P-384 or RSA)") from error
    if not isinstance(found, ECKey | RSAKey):
        raise CheckError("U-REF-KEY", "the key is no private JWK (EC P-384 or RSA)")
    return dict(found.as_dict(private=False))
