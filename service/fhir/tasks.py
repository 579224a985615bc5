"""The work that a draft asks of a person, as Task: review it and sign or reject it before its time is over.

One Task a draft, by the draft's id, told from the draft as it stands.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from service.drafts import labels
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.decision import decisions
from service.drafts.records import AuditEntry, Draft, State
from service.drafts.signature.provenance import device
from service.drafts.states import SIGNED, STATES, UNSIGNED
from service.fhir.records import Head, Record, Subject
from service.fhir.resources import STATE_SYSTEM, instant

if TYPE_CHECKING:
    from service.bootstrap import Services

# Review and sign: R4's task-code.
_CODE: Final = {
    "system": "http://hl7.org/fhir/CodeSystem/task-code",
    "code": "approve",
    "display": "Activate/approve the focal resource",
}
_OPEN: Final[Mapping[State, str]] = {
    "held": "requested",
    "presented": "received",
    "accepted": "accepted",
    "modified": "in-progress",
}
# The review was done by a person, who signed or rejected; businessStatus says which, and what became of it.
_REVIEWED: Final[tuple[State, ...]] = (*SIGNED, "overridden", "revoked")


def status(state: State) -> str:
    """Return Task.status of a draft's state."""
    if state in UNSIGNED:
        return _OPEN.get(state, "requested")
    return "completed" if state in _REVIEWED else "cancelled"


def states_of(statuses: str) -> tuple[State, ...]:
    """Return the states behind some values of Task.status, separated by commas."""
    wanted = statuses.split(",")
    return tuple(state for state in STATES if status(state) in wanted)


async def read(services: "Services", ehr: str, ident: str) -> Record:
    """Return the Task of a tenant's draft; NotFound U-DRAFT-UNKNOWN."""
    return await finished(services, of_draft(services, await decisions.own_draft(services, ehr, ident)))


def of_drafts(services: "Services", drafts: Sequence[Draft]) -> list[Record]:
    """Return the Tasks of drafts, in their order."""
    return [of_draft(services, draft) for draft in drafts]


def of_draft(services: "Services", draft: Draft) -> Record:
    """Return the Task of a draft, its owner left out: see ``finished``."""
    base, public_url = services.tenant(draft.ehr).fhir_base.rstrip("/"), services.settings.server.public_url
    found = status(draft.state)
    resource: dict[str, Any] = {
        "resourceType": "Task",
        "id": draft.id,
        **labels.meta(
            labels.inherited(draft.resource), versionId=str(draft.version), lastUpdated=instant(draft.updated)
        ),
        "status": found,
        "businessStatus": {"coding": [{"system": STATE_SYSTEM, "code": draft.state}]},
        "intent": "proposal",
        "code": {"coding": [dict(_CODE)], "text": "Review the draft and sign or reject it"},
        "focus": {"reference": f"MedicationRequest/{draft.id}", "type": "MedicationRequest"},
        "for": {"reference": f"{base}/{draft.patient}"},
        "authoredOn": instant(draft.created),
        "lastModified": instant(draft.updated),
        "requester": device(public_url),
        "restriction": {"repetitions": 1, "period": {"start": instant(draft.created), "end": instant(draft.expires)}},
    }
    return Record("Task", Head(id=draft.id, status=found, subject=Subject(draft.patient)), draft.version, resource)


async def finished(services: "Services", record: Record) -> Record:
    """Return the Task with the order that came of it, and its owner: who last looked at the draft or decided on it."""
    draft = await services.store.read(record.head.id)
    owner, signature = _owner(await services.store.history(draft.id)), await services.store.signature(draft.id)
    if not isinstance(record.resource, dict):
        return record
    base = services.tenant(draft.ehr).fhir_base.rstrip("/")
    resource = {**record.resource, **({"owner": {"reference": f"{base}/{owner}"}} if owner else {})}
    if signature is not None:
        order = {"reference": f"MedicationRequest/{signature.order_id}", "type": "MedicationRequest"}
        resource["output"] = [{"type": {"text": "signed order"}, "valueReference": order}]
    return Record(record.kind, record.head, record.version, resource)


def _owner(entries: Sequence[AuditEntry]) -> str | None:
    people = [one.actor for one in entries if one.actor != SERVICE_ACTOR]
    known = [one for one in people if one.startswith(("Practitioner/", "PractitionerRole/"))]
    return known[-1] if known else None
