"""An EHR by its id in the service's settings, so that what is checked is what the service will call."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from conformance.errors import CheckError
from fhir_adapters.dialect import profile as profiles

_LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where an EHR is and how it is spoken to: the FHIR base, the profile's name or path, and our client id there.

    ``issuer`` and ``jwks`` (an address or a path) are those of its CDS client.
    """

    base: str
    profile: str = ""
    client_id: str = ""
    issuer: str = ""
    jwks: str = ""


def address(text: str, *, secret: bool = False) -> str:
    """Return a base address without a final slash; CheckError U-CHECK-ADDRESS for one that nothing can be asked of.

    ``secret``: a key or token goes with the requests, which plain http would show to everybody on the way.
    """
    parts = urlsplit(text)
    wrong = _wrong(parts)
    if not wrong and secret and parts.scheme == "http" and parts.hostname not in _LOCAL:
        wrong = "with a key or token it has to start with https:// (http is for this machine only)"
    if wrong:
        raise CheckError("U-CHECK-ADDRESS", f"this is no base address to check: {wrong}")
    return text.rstrip("/")


def _wrong(parts: SplitResult) -> str:
    """Return what keeps an address from being asked, empty for nothing; a password in it is not said again."""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "it has to start with https:// and a host"
    if parts.username is not None or parts.password is not None:
        return "leave out user and password; a client is named with --client-id and --key, or --token"
    if parts.query or parts.fragment:
        return "it ends before ? and #"
    try:
        return "" if parts.port is None or parts.port else "its port is none"
    except ValueError:
        return "its port is none"


def find(target: str, config: Path | None, *, secret: bool = False) -> Tenant:
    """Return the EHR of an address or of a tenant's id; CheckError U-CHECK-TENANT, U-CHECK-ADDRESS."""
    if ":" in target:
        return Tenant(address(target, secret=secret))
    path = config or Path(os.environ.get("UNDERSIGN_CONFIG") or "undersign.toml")
    for one in _listed(path):
        if one.get("id") == target and isinstance(one.get("fhir_base"), str):
            base = address(one["fhir_base"], secret=secret)
            client: Any = one.get("cds_client", {})
            keys = str(path.parent / client["jwks_file"]) if "jwks_file" in client else str(client.get("jwks_url", ""))
            ours = str(one.get("smart_client_id", ""))
            return Tenant(base, _profile(one, path.parent), ours, str(client.get("issuer", "")), keys)
    raise CheckError("U-CHECK-TENANT", f"no [[ehr]] of this id in {path}; give an address that starts with https://")


def _profile(ehr: Mapping[str, Any], folder: Path) -> str:
    """Return the profile that the service takes for this tenant: a path is relative to the settings' file."""
    named = str(ehr.get("profile", ""))
    if named == "auto":
        return profiles.match(None, ehr["fhir_base"])
    return str(folder / named) if named.endswith(".toml") else named


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        found: Any = tomllib.loads(path.read_text("utf-8")).get("ehr", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        said = f"{path} cannot be read; give an address that starts with https://, or --config"
        raise CheckError("U-CHECK-TENANT", said) from error
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType]
