"""The stage of the demo: a temporary folder with a configuration, and the two programs in it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.children import Children, check_port, free_ports
from fhir_adapters.dialect import profile as profiles

_PROFILE = "us-core-r4"
_MODE = "sign-and-write"
# A site's own profile, over one of a vendor whose API is documented not to take orders.
_LIFTED = """\
name = "{base}-demo"
extends = "{base}"

# The reference EHR speaks this dialect, and takes orders all the same.
[writing]
refuses = []
"""
_CONFIGURATION = """\
# Written for one demo on this machine: plain HTTP on loopback, synthetic people, gone at the end.
[server]
public_url = "{service}"
development = true

[store]
url = "sqlite:///undersign.db"

[[ehr]]
id = "reference"
name = "Reference Hospital (synthetic)"
fhir_base = "{ehr}/fhir"
profile = "{profile}"
jurisdiction = "US-MA"
origins = ["{ehr}"]
write_back = "{mode}"
smart_client_id = "undersign"

[ehr.cds_client]
required = true
issuer = "{ehr}/fhir"
jwks_url = "{ehr}/jwks.json"
audiences = [
  "{service}/cds-services",
  "{service}/cds-services/psychotropic-options",
  "{service}/cds-services/psychotropic-order-select",
  "{service}/cds-services/psychotropic-order-sign",
]
algorithms = ["ES384"]

[ehr.users]
clients = ["undersign", "reference-ehr-script"]  # the page, and the demo itself
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is: the origins of both programs, and the configuration of the service."""

    ehr: str
    service: str
    folder: Path
    config: Path
    dialect: str | None = None

    @property
    def ehr_base(self) -> str:
        """The EHR's FHIR base."""
        return f"{self.ehr}/fhir"

    @property
    def audit_command(self) -> list[str]:
        """The command that walks the audit chain."""
        return [sys.executable, "-m", "service.cli", "audit", "verify", "--config", str(self.config)]


def set_up(folder: Path, port: int | None, children: Children, dialect: str | None = None) -> Stage:
    """Write the configuration into ``folder`` and start the EHR and the service on free loopback ports.

    ``dialect`` is the EHR's, and the profile that the service reads it with; plain R4 when None.
    """
    if port is not None:
        check_port(port)
    stage = build(folder, port, dialect)
    start_service(stage, children, [sys.executable, "-m", "service.cli"])
    start_ehr(stage, children, [sys.executable, "-m", "conformance.reference_ehr"])
    return stage


def build(folder: Path, port: int | None = None, dialect: str | None = None) -> Stage:
    """Choose free loopback ports (``port`` is the service's, if given) and write the configuration."""
    ehr_port, free = free_ports(2)
    ehr, service = (f"http://127.0.0.1:{number}" for number in (ehr_port, free if port is None else port))
    stage = Stage(ehr, service, folder, folder / "undersign.toml", dialect)
    profile = _profile(folder, dialect or _PROFILE)
    written = _CONFIGURATION.format(ehr=ehr, service=service, profile=profile, mode=_MODE)
    stage.config.write_text(written, encoding="utf-8")
    return stage


def _profile(folder: Path, base: str) -> str:
    """Return the profile to name in the configuration: the base, or one in ``folder`` that lets orders be written."""
    if _MODE not in profiles.load(base).refuses:
        return base
    (folder / "site.toml").write_text(_LIFTED.format(base=base), encoding="utf-8")
    return "site.toml"


def start_service(stage: Stage, children: Children, program: Sequence[str], *options: str) -> None:
    """Start the service on the stage's store; ``program`` is the command line's own beginning."""
    serve = ["serve", "--config", str(stage.config), "--port", stage.service.rpartition(":")[2], *options]
    children.start("service", [*program, *serve], f"{stage.service}/readyz", stage.folder, environment())


def start_ehr(stage: Stage, children: Children, program: Sequence[str]) -> None:
    """Start the reference EHR; ``program`` takes a port and the address of the service."""
    spoken = ["--dialect", stage.dialect] if stage.dialect else []
    play = ["--port", stage.ehr.rpartition(":")[2], "--service", stage.service, *spoken]
    children.start("ehr", [*program, *play], f"{stage.ehr}/fhir/metadata", stage.folder, environment())


def environment() -> dict[str, str]:
    """Return this environment without settings of another service, and with this checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSIGN_")}
    checkout = str(Path(__file__).resolve().parent.parent)
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [checkout, kept.get("PYTHONPATH", "")]))}
