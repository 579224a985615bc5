"""Audit trails by the API: of a draft, or all of a patient; with what was looked at, and by whom."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from service.drafts import labels
from service.drafts.decision import decisions
from service.drafts.records import AuditEntry, Draft
from service.drafts.registers import Registered
from service.drafts.trail import access
from service.errors import NotFound
from service.fhir import records
from service.fhir.audit_events import About, audit_event
from service.fhir.records import Head, Record, Subject

if TYPE_CHECKING:
    from service.bootstrap import Services


async def of_entity(services: "Services", ehr: str, reference: str) -> list[Record]:
    """Return the trail of ``MedicationRequest/<id>`` with who looked at it, or the whole of ``Patient/<id>``.

    NotFound U-DRAFT-UNKNOWN.
    """
    kind, _, ident = reference.partition("/")
    if kind == "Patient":
        return await of_patient(services, ehr, reference)
    draft = await decisions.own_draft(services, ehr, ident)
    looked = [one for one in await _accesses(services, ehr, draft.patient) if one.detail.get("what") == reference]
    return _by_time(await of_draft(services, ehr, ident), _records(looked, about_patient(services, ehr, draft.patient)))


async def of_draft(services: "Services", ehr: str, draft: str) -> list[Record]:
    """Return the trail of a tenant's draft, oldest first; NotFound U-DRAFT-UNKNOWN."""
    found = await decisions.own_draft(services, ehr, draft)
    return _records(await services.store.history(found.id), about_draft(services, found))


async def of_patient(services: "Services", ehr: str, patient: str) -> list[Record]:
    """Return all of a patient, oldest first: drafts, flag, what was said of consent, and who looked at any of it."""
    flag = await services.store.flag_of(ehr, patient)
    found = [] if flag is None else await _of_flag(services, ehr, flag.id)
    for register in await services.store.registered("consent", ehr=ehr, subject=patient):
        found += await _of_register(services, register)
    for draft in await records.find(services, ehr, patient=patient):
        found += _records(await services.store.history(draft.id), about_draft(services, draft))
    looked = await _accesses(services, ehr, patient)
    return _by_time(found, _records(looked, about_patient(services, ehr, patient)))


async def of_chain(services: "Services", ehr: str, chain: str) -> list[Record]:
    """Return the trail of a draft, a flag, a consent or accesses of a tenant by its id; NotFound U-FHIR-UNKNOWN."""
    for of in (of_draft, _of_flag, _of_accesses):
        with suppress(NotFound):
            return await of(services, ehr, chain)
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
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this address; open the patient's chart again")
    return _records(await services.store.flag_history(flag.id), about_patient(services, ehr, flag.patient))


async def _of_register(services: "Services", register: Registered) -> list[Record]:
    about = about_patient(services, register.ehr, register.subject)
    return _records(await services.store.entries(register.id), about)


async def _of_accesses(services: "Services", ehr: str, ident: str) -> list[Record]:
    entries = await services.store.entries(ident)
    patient = access.owner(entries[0], ehr)
    if patient is None:
        raise NotFound("U-REGISTER-UNKNOWN", "There is no such trail; search by patient.")
    return _records(entries, about_patient(services, ehr, patient))


async def _accesses(services: "Services", ehr: str, patient: str) -> Sequence[AuditEntry]:
    years = services.settings.audit.keep_accesses_years
    return await access.of_patient(services.store, ehr, patient, services.clock(), years)


def _by_time(*trails: Sequence[Record]) -> list[Record]:
    """Return trails as one; those of one moment in the order of their chains."""
    return sorted((one for trail in trails for one in trail), key=_recorded)


def _recorded(one: Record) -> str:
    return cast("dict[str, str]", one.resource)["recorded"]


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
