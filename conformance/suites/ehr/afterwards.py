"""What follows the checks of a run: what was written is taken back, and what a report says beside the verdicts."""

from typing import Any, cast

from conformance.exchanges import Exchange
from conformance.report import latency
from conformance.suites.ehr import ladder, orders, surveyed
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.surveyed import Surveyed


async def finish(probe: Probe) -> None:
    """Take back what was written."""
    await orders.finish(probe)


def facts(probe: Probe) -> dict[str, Any]:
    """Return what the EHR says it is, coverage of features, write-back and times; of what was asked for only."""
    survey = probe.session.found("surveyed")
    profile = {"profile": survey.narrow.profile} if isinstance(survey, Surveyed) else {}
    parts = {
        "ehr": {**ehr(probe.session.found("metadata")), **profile},
        "coverage": surveyed.facts(survey) if isinstance(survey, Surveyed) else {},
        "write_back": ladder.facts(probe),
        "latency": latency.table(probe.session.exchanges),
    }
    return {name: part for name, part in parts.items() if part}


def ehr(metadata: Exchange | None) -> dict[str, Any]:
    """Return what the EHR says it is, by its CapabilityStatement."""
    if metadata is None:
        return {}
    found = metadata.object()
    held: Any = found.get("software")
    software = cast("Json", held) if isinstance(held, dict) else {}
    told = {
        "software": software.get("name"),
        "release": software.get("version"),
        "fhir_version": found.get("fhirVersion"),
    }
    return {name: str(value) for name, value in told.items() if value}
