"""Audit trails by the API: of a draft, or of what was raised, attested and consented of a patient."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.drafts import decisions, labels
from service.drafts.records import AuditEntry, Draft
from service.drafts.registers import Registered
from service.errors import NotFound
from service.fhir.audit_events import About, audit_event
from service.fhir.records import Head, Record, Subject

if TYPE_CHECKING:
    from service.bootstrap import Services


async def of_entity(services: "Services", ehr: str, reference: str) -> list[Record]:
    """Return the trail of ``MedicationRequest/<id>``, or of what was raised and attested of ``Patient/<id>``."""
    kind, _, ident = reference.partition("/")
    return await (of_patient(services, ehr, reference) if kind == "Patient" else of_draft(services, ehr, ident))


async def of_draft(services: "Services", ehr: str, draft: str) -> list[Record]:
    """Return the trail of a tenant's draft, oldest first; NotFound U-DRAFT-UNKNOWN."""
    found = await decisions.own_draft(services, ehr, draft)
    return _records(await services.store.history(found.id), about_draft(services, found))


async def of_patient(services: "Services", ehr: str, patient: str) -> list[Record]:
    """Return the trails of a patient's flag and of what was said of consent, each oldest first; none where none is."""
    flag = await services.store.flag_of(ehr, patient)
    found = [] if flag is None else await _of_flag(services, ehr, flag.id)
    for register in await services.store.registered("consent", ehr=ehr, subject=patient):
        found += await _of_register(services, register)
    return found


async def of_chain(services: "Services", ehr: str, chain: str) -> list[Record]:
    """Return the trail of a draft, a flag or a consent of a tenant by its id; NotFound U-FHIR-UNKNOWN."""
    try:
        return await of_draft(services, ehr, chain)
    except NotFound:
        pass
    try:
        return await _of_flag(services, ehr, chain)
    except NotFound:
        pass
    for register in await services.store.registered("consent", ehr=ehr):
        if register.id == chain:
            return await _of_register(services, register)
    raise NotFound("U-FHIR-UNKNOWN", "There is no such trail; search by entity.")


def about_draft(services: "Services", draft: Draft) -> About:
    """Return what a draft's chain is about."""
    return _about(services, draft.ehr, f"MedicationRequest/{draft.id}", draft.patient, labels.inherited(draft.resource))


def about_patient(services: "Services", ehr: str, patient: str) -> About:
    """Return what the chain of a patient's flag or consent is about."""
    return _about(services, ehr, f"{_base(services, ehr)}/{patient}", patient)


async def _of_flag(services: "Services", ehr: str, ident: str) -> list[Record]:
    flag = await services.store.flag(ident)
    if flag.ehr != ehr:
        raise NotFound("U-FLAG-UNKNOWN", "There is no such trail; search by entity.")
    return _records(await services.store.flag_history(flag.id), about_patient(services, ehr, flag.patient))


async def _of_register(services: "Services", register: Registered) -> list[Record]:
    about = about_patient(services, register.ehr, register.subject)
    return _records(await services.store.entries(register.id), about)


def _about(services: "Services", ehr: str, what: str, patient: str, labelled: Sequence[dict[str, str]] = ()) -> About:
    base = _base(services, ehr)
    return About(
        what=what,
        public_url=services.settings.server.public_url,
        base=base,
        client=services.tenant(ehr).smart_client_id,
        patient=f"{base}/{patient}",
        labels=labelled,
    )


def _base(services: "Services", ehr: str) -> str:
    return services.clients[ehr].ehr.fhir_base.rstrip("/")


def _records(entries: Sequence[AuditEntry], about: About) -> list[Record]:
    events = [audit_event(entry, about) for entry in entries]
    subject = Subject(about.patient or "")
    return [Record("AuditEvent", Head(id=one["id"], subject=subject), 1, one) for one in events]
