"""What ``check ehr`` and ``check bulk`` have in common: the EHR's address, who asks there, and for whose charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import tenants
from conformance.options import backend
from fhir_adapters.dialect import profile as profiles


@dataclass(frozen=True, slots=True)
class Reached:
    """How an EHR is reached. ``given``: the options that reach it again, without secrets; the rest as of an Order."""

    base: str
    given: Sequence[tuple[str, object]]
    options: Mapping[str, Any]
    secrets: Mapping[str, Any]


def reached(
    target: str,
    config: Path | None,
    patients: Sequence[str],
    profile: str,
    client_id: str,
    key: Path | None,
    token: str,
) -> Reached:
    """Return how an EHR is reached by what a command was given.

    CheckError U-CHECK-ADDRESS, U-CHECK-TENANT, U-CHECK-CLIENT; ProfileError for a profile that is none.
    """
    tenant = tenants.find(target, config, secret=bool(key or token))
    named = client_id or (tenant.client_id if key else "")
    client = backend(named, key) if named or key else None
    dialect = profile or tenant.profile
    if dialect:
        profiles.load(dialect)  # a mistyped name is no finding about the EHR
    return Reached(
        tenant.base,
        (
            *(("--patient", one) for one in patients),
            ("--profile", dialect),
            ("--client-id", named),
            ("--key", key),
            ("--token", "$TOKEN" if token else ""),
        ),
        {"patients": list(patients), "profile": dialect, "signed": client is not None, "with_token": bool(token)},
        {"backend": client, "token": token},
    )
