"""``undersign ehr show`` and ``ehr try``: from a configuration to a terminal or a file."""

import sys
from datetime import UTC, date, datetime, time
from importlib.metadata import version
from pathlib import Path

from fhir_adapters.errors import InputError
from service import settings_file as configuration
from service import telemetry
from service.bootstrap import Services
from service.errors import ConfigError
from service.onboarding import dry_run, page, sheet, text
from service.onboarding import samples as sampled
from service.settings import Ehr, Settings
from service.switches import commands as switched
from service.terminal import plain_or_coloured


def show_tenant(identity: str, html: Path | None, config: Path | None) -> None:
    """Print the onboarding facts of one tenant, or write them as a page."""
    settings, ehr = _tenant(identity, config)
    services = dry_run.services_of(settings, ehr, sampled.DAY)
    pulled = switched.switches_of(settings, ehr.id)
    found = (*sheet.sections(settings, ehr, services.profiles[ehr.id]), sheet.switches(pulled))
    title, warnings = _title(ehr, services), sheet.warnings(settings, ehr)
    answers = sampled.samples(ehr, services)
    if html is None:
        text.print_sheet(plain_or_coloured(), title, warnings, found, answers)
        return
    html.write_text(page.render(ehr, title, warnings, found, answers), "utf-8")
    plain_or_coloured().print(f"{html} written", markup=False)


def try_file(identity: str, request: Path, day: date | None, config: Path | None) -> int:
    """Print a dry run of a captured request on a day (noon, UTC); returns 1 where it would be refused, else 0."""
    settings, ehr = _tenant(identity, config)
    now = datetime.combine(day, time(12), UTC) if day else None
    found = dry_run.run(ehr, _read(request), dry_run.services_of(settings, ehr, now))
    text.print_dry_run(plain_or_coloured(), str(request), found)
    return 1 if found.error else 0


def _tenant(identity: str, config: Path | None) -> tuple[Settings, Ehr]:
    telemetry.configure("error")  # an evaluation's log lines are the service's
    settings = configuration.load(config)
    found = next((ehr for ehr in settings.ehr if ehr.id == identity), None)
    if found is None:
        known = ", ".join(ehr.id for ehr in settings.ehr) or "none"
        raise ConfigError("U-EHR-ID", f"no tenant has the id {identity}; the configuration has: {known}")
    return settings, found


def _title(ehr: Ehr, services: Services) -> str:
    model = services.model.version if services.model else "off"
    profile = services.profiles[ehr.id].name
    return (
        f"{ehr.name} ({ehr.id}), profile {profile}: Undersign {version('undersign')}, "
        f"knowledge {services.knowledge.version}, model {model}"
    )


def _read(request: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(request) == "-" else request.read_bytes()
    except OSError as error:
        raise InputError("U-FILE", f"{request}: {error.strerror or 'it cannot be read'}; check its path") from error
