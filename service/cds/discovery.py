"""Discovery: one service a hook, each with an id of its own, and the narrow searches that fill their prefetch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from fhir_adapters.survey.wanted import Template, templates
from service.errors import NotFound

SPECIFICATION = "2.0.1"
PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN = "patient-view", "order-select", "order-sign"


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service: one hook, one id (CDS Hooks lets two hooks share an id; clients lose one of them)."""

    id: str
    hook: str
    title: str
    description: str
    usage: str
    templates: Sequence[Template]


_USAGE = "For practitioners. Works from prefetch alone; what is missing is read from fhirServer."


@cache
def services() -> Mapping[str, Service]:
    """Return the services by id. They share one prefetch, so that a client's cache fills it once."""
    shared = templates()
    options = Service(
        id="psychotropic-options",
        hook=PATIENT_VIEW,
        title="Psychotropic options",
        description=(
            "For an adult with major depression whose treatment is to be started or changed: at most one "
            "card with up to two draft prescriptions and no change, what was ruled out and why, and what is "
            "not known. Nothing becomes an order until a practitioner signs it."
        ),
        usage=_USAGE,
        templates=shared,
    )
    select = Service(
        id="psychotropic-order-select",
        hook=ORDER_SELECT,
        title="Psychotropic order: reasons and alternatives",
        description=(
            "For a psychotropic drug that was selected: at most one card with what speaks against it in this chart, "
            "how its dose stands to start and ceiling, what is not known, and drafts that could take its place."
        ),
        usage=f"{_USAGE} Orders may be half-written.",
        templates=shared,
    )
    sign = Service(
        id="psychotropic-order-sign",
        hook=ORDER_SIGN,
        title="Psychotropic order: safety before signing",
        description=(
            "For the whole order set about to be signed: at most one card with contraindications, warnings and doses "
            "above the ceiling. No new idea at this step, so no suggestion."
        ),
        usage=f"{_USAGE} Orders may be half-written.",
        templates=shared,
    )
    return {found.id: found for found in (options, select, sign)}


def service(service_id: str) -> Service:
    """Return a service; NotFound U-CDS-SERVICE."""
    found = services().get(service_id)
    if found is None:
        raise NotFound("U-CDS-SERVICE", "there is no such CDS service; GET /cds-services lists them")
    return found


@cache
def document() -> bytes:
    """Return the discovery answer."""
    listed = [
        {
            "hook": found.hook,
            "id": found.id,
            "title": found.title,
            "description": found.description,
            "usageRequirements": found.usage,
            "version": SPECIFICATION,
            "prefetch": {template.key: template.template for template in found.templates},
        }
        for found in services().values()
    ]
    return msgspec.json.encode({"services": listed})
