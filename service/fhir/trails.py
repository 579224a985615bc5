"""Audit trails by the API: of a draft, or of what was raised and attested of a patient."""

from typing import TYPE_CHECKING, Any

from service.drafts import decisions
from service.errors import NotFound
from service.fhir.audit_events import audit_event
from service.fhir.records import Head, Record

if TYPE_CHECKING:
    from service.bootstrap import Services


async def of_entity(services: "Services", ehr: str, reference: str) -> list[Record]:
    """Return the trail of ``MedicationRequest/<id>``, or of what was raised and attested of ``Patient/<id>``."""
    kind, _, ident = reference.partition("/")
    return await (of_patient(services, ehr, reference) if kind == "Patient" else of_draft(services, ehr, ident))


async def of_draft(services: "Services", ehr: str, draft: str) -> list[Record]:
    """Return the trail of a tenant's draft, oldest first; NotFound U-DRAFT-UNKNOWN."""
    found = await decisions.own_draft(services, ehr, draft)
    entries = await services.store.history(found.id)
    return [_record(audit_event(entry, _base(services, ehr), f"MedicationRequest/{found.id}")) for entry in entries]


async def of_patient(services: "Services", ehr: str, patient: str) -> list[Record]:
    """Return the trail of a patient's flag, oldest first; none where nothing was raised or attested."""
    flag = await services.store.flag_of(ehr, patient)
    return [] if flag is None else await _of_flag(services, ehr, flag.id)


async def of_chain(services: "Services", ehr: str, chain: str) -> list[Record]:
    """Return the trail of a draft or a flag of a tenant by its id; NotFound U-DRAFT-UNKNOWN, U-FLAG-UNKNOWN."""
    try:
        return await of_draft(services, ehr, chain)
    except NotFound:
        return await _of_flag(services, ehr, chain)


async def _of_flag(services: "Services", ehr: str, ident: str) -> list[Record]:
    flag = await services.store.flag(ident)
    if flag.ehr != ehr:
        raise NotFound("U-FLAG-UNKNOWN", "There is no such trail; search by entity.")
    base = _base(services, ehr)
    entries = await services.store.flag_history(flag.id)
    return [_record(audit_event(entry, base, f"{base}/{flag.patient}")) for entry in entries]


def _base(services: "Services", ehr: str) -> str:
    return services.clients[ehr].ehr.fhir_base.rstrip("/")


def _record(event: dict[str, Any]) -> Record:
    return Record("AuditEvent", Head(id=event["id"]), 1, event)
