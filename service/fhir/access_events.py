"""Entries of accesses as R4 AuditEvents: who read or searched what of a patient, and who was refused.

IHE BALP 1.1.4 has profiles for a read or vread, and for a search, that went well: these claim them. It has none for a
history or an operation, and says that failures are recorded otherwise, so those have its form and claim no profile.
The search is the one that was understood, not the text that came in: that may hold anything.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from service.drafts.records import AuditEntry
from service.drafts.trail import access
from service.fhir import audit_parts as parts
from service.fhir.audit_parts import About
from service.fhir.resources import instant

_PROFILES: Final[Mapping[str, str]] = {"read": "Read", "vread": "Read", "search-type": "Query"}
_EXECUTES: Final = frozenset({"search-type", "operation"})
# audit-event-outcome: what was asked for was not done.
_SUCCESS, _FAILURE = "0", "8"
_TOLD: Final = ("way", "name", "session")


def access_event(ident: str, entry: AuditEntry, about: About) -> dict[str, Any]:
    """Return one access as AuditEvent; the digest of the session and the hashes are details of an entity."""
    said = entry.detail
    interaction, refused = str(said["interaction"]), entry.event == access.REFUSED
    profile = None if refused or interaction not in _PROFILES else parts.PROFILES + "Patient" + _PROFILES[interaction]
    executes = interaction in _EXECUTES
    return {
        "resourceType": "AuditEvent",
        "id": ident,
        **({"meta": {"profile": [profile]}} if profile else {}),
        "type": parts.TYPE,
        "subtype": [
            {"system": parts.EVENT_SYSTEM, "code": entry.event},
            {"system": parts.INTERACTION_SYSTEM, "code": interaction, "display": interaction},
        ],
        "action": "E" if executes else "R",
        "recorded": instant(entry.at),
        "outcome": _FAILURE if refused else _SUCCESS,
        **({"outcomeDesc": str(said["code"])} if refused else {}),
        "agent": parts.agents(entry, about, "recipient", client_sends=executes),
        "source": {"observer": parts.device()},
        "entity": _entities(entry, about),
    }


def _entities(entry: AuditEntry, about: About) -> list[dict[str, Any]]:
    """Return what was asked for, and the patient; BALP allows no details on a search, so the patient has them."""
    said = entry.detail
    told = {"detail": parts.details(parts.hashes(entry) | {name: str(said[name]) for name in _TOLD if name in said})}
    if "query" in said:
        return [parts.query(base64.b64encode(str(said["query"]).encode()).decode()), parts.patient(about, told)]
    return [parts.data(_what(said, about), told), parts.patient(about)]


def _what(said: Mapping[str, Any], about: About) -> str:
    what = str(said.get("what", ""))
    if what.startswith("Patient/"):
        return f"{about.base}/{what}"
    return f"{what}/_history/{said['version']}" if "version" in said else what
