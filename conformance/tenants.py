"""An EHR by its id in the service's settings, so that what is checked is what the service will call."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import CheckError


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


def find(target: str, config: Path | None) -> Tenant:
    """Return the EHR of an address or of a tenant's id; CheckError U-CHECK-TENANT."""
    if target.startswith(("https://", "http://")):
        return Tenant(target.rstrip("/"))
    path = config or Path(os.environ.get("UNDERSIGN_CONFIG") or "undersign.toml")
    for one in _listed(path):
        if one.get("id") == target and isinstance(one.get("fhir_base"), str):
            profile = str(one.get("profile", ""))
            # As in the service, a path is relative to the file.
            named = str(path.parent / profile) if profile.endswith(".toml") else profile
            client: Any = one.get("cds_client", {})
            keys = str(path.parent / client["jwks_file"]) if "jwks_file" in client else str(client.get("jwks_url", ""))
            ours = str(one.get("smart_client_id", ""))
            return Tenant(one["fhir_base"].rstrip("/"), named, ours, str(client.get("issuer", "")), keys)
    raise CheckError("U-CHECK-TENANT", f"no [[ehr]] of this id in {path}; give an address that starts with https://")


def _listed(path: Path) -> list[dict[str, Any]]:
    try:
        found: Any = tomllib.loads(path.read_text("utf-8")).get("ehr", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        said = f"{path} cannot be read; give an address that starts with https://, or --config"
        raise CheckError("U-CHECK-TENANT", said) from error
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []  # pyright: ignore[reportUnknownVariableType]
