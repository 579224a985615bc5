"""The audit chain as R4 AuditEvents: one event a link, derived from the chain and never stored twice."""

import re
from typing import Any

from service.drafts.store import AuditEntry
from service.fhir.resources import DEVICE_ID, instant

EVENT_SYSTEM = "https://undersign.dev/fhir/CodeSystem/audit-event"
_TYPE = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "RESTful Operation",
}
_CREATES = frozenset({"held", "raised", "attested"})
_ID = re.compile(r"(?P<chain>[A-Za-z0-9\-]{1,48})\.(?P<seq>\d{1,9})")


def event_id(entry: AuditEntry) -> str:
    """Return the AuditEvent's id: the id of its chain and the link's place in it."""
    return f"{entry.draft}.{entry.seq}"


def chain_place(ident: str) -> tuple[str, int] | None:
    """Return (chain, seq) of an AuditEvent's id, None for an id that is none of ours."""
    found = _ID.fullmatch(ident)
    return (found["chain"], int(found["seq"])) if found else None


def audit_event(entry: AuditEntry, fhir_base: str, what: str) -> dict[str, Any]:
    """Return one link as an AuditEvent about ``what``; practitioners are references at the EHR ``fhir_base``.

    The link's hash and its predecessor's are details of the entity, so that an exported trail can be
    checked. What the link says beyond that stays in the chain: a comment may hold clinical text.
    """
    person = entry.actor.startswith("Practitioner/")
    who = {"reference": f"{fhir_base}/{entry.actor}"} if person else {"reference": f"Device/{DEVICE_ID}"}
    return {
        "resourceType": "AuditEvent",
        "id": event_id(entry),
        "type": _TYPE,
        "subtype": [{"system": EVENT_SYSTEM, "code": entry.event}],
        "action": "C" if entry.event in _CREATES else "U",
        "recorded": instant(entry.at),
        "outcome": "0",
        "agent": [{"who": who, "requestor": person}],
        "source": {"observer": {"reference": f"Device/{DEVICE_ID}"}},
        "entity": [
            {
                "what": {"reference": what},
                "detail": [
                    {"type": "sha256", "valueString": entry.hash},
                    {"type": "previous-sha256", "valueString": entry.previous},
                ],
            }
        ],
    }
