"""What the store holds, found as FHIR sees it: drafts, orders and Provenance, each in its own tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from service.drafts.decision import decisions
from service.drafts.records import Draft, Signature, State
from service.errors import BadRequest, NotFound
from service.fhir.resources import decode, draft_resource, draft_status

if TYPE_CHECKING:
    from service.bootstrap import Services

# A search that would have to look at more is refused, since a part must not pass for the whole.
SCAN_CAP = 10_000


class _Identifier(msgspec.Struct, frozen=True):
    system: str | None = None
    value: str | None = None


class Subject(msgspec.Struct, frozen=True):
    """Whom a resource is about."""

    reference: str = ""


class Head(msgspec.Struct, frozen=True):
    """What a search reads of a stored resource."""

    id: str = ""
    status: str = ""
    intent: str = ""
    identifier: list[_Identifier] = []
    subject: Subject = Subject()

    @property
    def patient(self) -> str:
        """The subject as ``Patient/<id>``, whether it was written relative or absolute."""
        return "/".join(self.subject.reference.split("/")[-2:])


@dataclass(frozen=True, slots=True)
class Record:
    """One resource as it will be answered: ``resource`` an object, or the stored bytes as ``msgspec.Raw``."""

    kind: str
    head: Head
    version: int
    resource: dict[str, Any] | msgspec.Raw


def of_draft(draft: Draft) -> Record:
    """Return a draft as MedicationRequest."""
    head = msgspec.json.decode(draft.resource, type=Head)
    now = msgspec.structs.replace(head, id=draft.id, status=draft_status(draft.state))
    return Record("MedicationRequest", now, draft.version, draft_resource(draft))


def of_order(signature: Signature) -> Record:
    """Return the signed order, byte for byte: its id is in its address only, outside the signed bytes."""
    head = msgspec.json.decode(signature.order, type=Head)
    head = msgspec.structs.replace(head, id=signature.order_id)
    return Record("MedicationRequest", head, 1, msgspec.Raw(signature.order))


def of_revoked(signature: Signature) -> Record:
    """Return an order whose signature was taken back: nobody may take it for one that holds, so it is cancelled."""
    found = of_order(signature)
    head = msgspec.structs.replace(found.head, status="cancelled")
    return Record("MedicationRequest", head, 2, {**decode(signature.order), "status": "cancelled"})


def of_provenance(signature: Signature) -> Record:
    """Return the Provenance that carries a signature, byte for byte; it goes by the order's id."""
    subject = msgspec.json.decode(signature.order, type=Head).subject
    return Record("Provenance", Head(id=signature.order_id, subject=subject), 1, msgspec.Raw(signature.provenance))


async def find(
    services: "Services", ehr: str, *, patient: str | None = None, states: Sequence[State] | None = None
) -> Sequence[Draft]:
    """Return a tenant's drafts, newest first; BadRequest U-FHIR-SEARCH when there are too many to look at."""
    found = await services.store.find(ehr=ehr, patient=patient, states=states, limit=SCAN_CAP + 1)
    if len(found) > SCAN_CAP:
        raise BadRequest("U-FHIR-SEARCH", "The search covers too many records; add patient or status.")
    return found


async def medication_request(services: "Services", ehr: str, ident: str) -> Record:
    """Return the draft or the signed order of that id; NotFound U-DRAFT-UNKNOWN."""
    try:
        return of_draft(await decisions.own_draft(services, ehr, ident))
    except NotFound:
        found = await _signature(services, ehr, ident)
        if found is None:
            raise
        draft = await services.store.read(found.draft)
        return of_revoked(found) if draft.state == "revoked" else of_order(found)


async def draft_of(services: "Services", ehr: str, ident: str) -> str:
    """Return the id of the draft that an order of the tenant was made from, any other id as it is."""
    found = await services.store.signature_of_order(ident)
    if found is None or (await services.store.read(found.draft)).ehr != ehr:
        return ident
    return found.draft


async def signature(services: "Services", ehr: str, ident: str) -> Signature:
    """Return the signature of a tenant's draft or order, by its id; NotFound U-FHIR-UNKNOWN."""
    found = await _signature(services, ehr, ident)
    if found is None:
        raise NotFound("U-FHIR-UNKNOWN", "There is no such order; search by patient.")
    return found


async def _signature(services: "Services", ehr: str, ident: str) -> Signature | None:
    found = await services.store.signature(ident) or await services.store.signature_of_order(ident)
    if found is None or (await services.store.read(found.draft)).ehr != ehr:
        return None
    return found
