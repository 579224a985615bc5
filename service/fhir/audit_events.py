"""The audit chain as R4 AuditEvents by IHE's Basic Audit Log Patterns: one event a link, never stored twice.

IHE BALP 1.1.4 (https://profiles.ihe.net/ITI/BALP): create, read and update, each with and without a patient; reads
and searches of people are in ``access_events``. The profiles of token use want the token's id or its end, and this
record keeps neither: a link says instead how and when its user was authenticated. A link that hands the order to the
EHR is a create there, with this service as client.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from service.drafts.records import AuditEntry
from service.drafts.trail import access
from service.fhir import audit_parts as parts
from service.fhir.access_events import access_event
from service.fhir.audit_parts import EVENT_SYSTEM, PROFILES, About
from service.fhir.resources import instant

__all__ = ["EVENT_SYSTEM", "PROFILES", "About", "Interaction", "audit_event", "chain_place", "event_id"]
Interaction = Literal["create", "read", "update"]
_ACTIONS: Final[Mapping[Interaction, str]] = {"create": "C", "read": "R", "update": "U"}
# Every other event changes what is there; a person who opened the page has read it.
_INTERACTIONS: Final[Mapping[str, Interaction]] = {
    "held": "create",
    "raised": "create",
    "attested": "create",
    "shown": "read",
    "prepared": "read",
}
_AT_THE_EHR: Final = frozenset({"written", "progressed"})
# audit-event-outcome: what is tried again by itself, and what a person has to look into.
_FAILURES: Final[Mapping[str, str]] = {"write-failed": "4", "parked": "8", "mismatch": "8"}
_ID: Final = re.compile(r"(?P<chain>[A-Za-z0-9\-]{1,48})\.(?P<seq>\d{1,9})")


def event_id(entry: AuditEntry) -> str:
    """Return the AuditEvent's id: the id of its chain and the link's place in it."""
    return f"{entry.draft}.{entry.seq}"


def chain_place(ident: str) -> tuple[str, int] | None:
    """Return (chain, seq) of an AuditEvent's id, None for an id that is none of ours."""
    found = _ID.fullmatch(ident)
    return (found["chain"], int(found["seq"])) if found else None


def audit_event(entry: AuditEntry, about: About) -> dict[str, Any]:
    """Return one link as an AuditEvent; practitioners are references at the EHR.

    The link's hash and its predecessor's are details of the entity, so that an exported trail can be checked. What
    the link says beyond that stays in the chain: a comment may hold clinical text.
    """
    if entry.event in access.EVENTS:
        return access_event(event_id(entry), entry, about)
    outgoing = _at_the_ehr(entry)
    interaction: Interaction = "create" if outgoing else _interaction(entry)
    read, failed = interaction == "read", _failed(entry)
    labels = [dict(label) for label in about.labels]
    more = {**({"securityLabel": labels} if labels else {}), "detail": parts.details(_told(entry))}
    what = f"{about.base}/{outgoing}" if outgoing else _versioned(entry, about.what)
    return {
        "resourceType": "AuditEvent",
        "id": event_id(entry),
        **({} if failed else {"meta": {"profile": [_profile(interaction, about)]}}),
        "type": parts.TYPE,
        "subtype": [
            {"system": EVENT_SYSTEM, "code": entry.event},
            {"system": parts.INTERACTION_SYSTEM, "code": interaction, "display": interaction},
        ],
        "action": _ACTIONS[interaction],
        "recorded": instant(entry.at),
        **(failed or {"outcome": "0"}),
        "agent": parts.agents(
            entry, about, "recipient" if read else "author", client_sends=not read, outgoing=bool(outgoing)
        ),
        "source": {"observer": parts.device()},
        "entity": [parts.data(what, more), *([parts.patient(about)] if about.patient else ())],
    }


def _profile(interaction: Interaction, about: About) -> str:
    return PROFILES + ("Patient" if about.patient else "") + interaction.title()


def _failed(entry: AuditEntry) -> dict[str, str]:
    """Return the outcome of a link that says that a write-back failed, with its code; nothing of any other."""
    if entry.event not in _FAILURES:
        return {}
    code = parts.mapping(entry.detail.get("given")).get("code")
    return {"outcome": _FAILURES[entry.event], **({"outcomeDesc": str(code)} if code else {})}


def _interaction(entry: AuditEntry) -> Interaction:
    given = parts.mapping(entry.detail.get("given"))
    opened = entry.event == "presented" and "page" in given and "own" not in given
    return "read" if opened else _INTERACTIONS.get(entry.event, "update")


def _told(entry: AuditEntry) -> dict[str, str]:
    asserted = parts.mapping(parts.mapping(entry.detail.get("given")).get("assertion"))
    how = {f"authentication-{name}": str(asserted[name]) for name in ("method", "authenticated") if name in asserted}
    return {**parts.hashes(entry), **how}


def _at_the_ehr(entry: AuditEntry) -> str | None:
    """Return the reference of what a link made at the EHR, ``Type/id``."""
    step = parts.mapping(entry.detail.get("step") if entry.event in _AT_THE_EHR else None)
    made = step.get("order") or step.get("provenance")
    return made if isinstance(made, str) and "/" in made else None


def _versioned(entry: AuditEntry, what: str) -> str:
    version = entry.detail.get("version")
    return f"{what}/_history/{version}" if isinstance(version, int) and "/" in what else what
