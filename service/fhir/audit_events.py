"""The audit chain as R4 AuditEvents by IHE's Basic Audit Log Patterns: one event a link, never stored twice.

IHE BALP 1.1.4 (https://profiles.ihe.net/ITI/BALP): create, read and update, each with and without a patient. The
profiles of token use want the token's id or its end, and this record keeps neither: a link says instead how and when
its user was authenticated. A link that hands the order to the EHR is a create there, with this service as client.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from service.drafts.audit import SERVICE_ACTOR
from service.drafts.records import AuditEntry
from service.fhir.resources import DEVICE_ID, instant

EVENT_SYSTEM = "https://undersign.dev/fhir/CodeSystem/audit-event"
PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_SOURCE, _DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
_URI: Final = "5"  # network-type
_TYPE: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "Restful Operation",
}
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
_NOTHING: Final[Mapping[str, Any]] = {}
_ID: Final = re.compile(r"(?P<chain>[A-Za-z0-9\-]{1,48})\.(?P<seq>\d{1,9})")


@dataclass(frozen=True, slots=True)
class About:
    """Whose chain it is: ``what`` is a reference that the chain is about, ``patient`` an absolute one.

    ``base`` is the address of the tenant's EHR and ``client`` what it calls this service's app; both are empty for
    what concerns the whole service. ``labels`` are the security labels of ``what``.
    """

    what: str
    public_url: str
    base: str = ""
    client: str = ""
    patient: str | None = None
    labels: Sequence[Mapping[str, Any]] = ()


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
    outgoing = _at_the_ehr(entry)
    interaction: Interaction = "create" if outgoing else _interaction(entry)
    profile = PROFILES + ("Patient" if about.patient else "") + interaction.title()
    labels = [dict(label) for label in about.labels]
    patient = {"what": {"reference": about.patient, "type": "Patient"}, **_entity("1", "Person", "1", "Patient")}
    return {
        "resourceType": "AuditEvent",
        "id": event_id(entry),
        "meta": {"profile": [profile]},
        "type": _TYPE,
        "subtype": [
            {"system": EVENT_SYSTEM, "code": entry.event},
            {"system": "http://hl7.org/fhir/restful-interaction", "code": interaction, "display": interaction},
        ],
        "action": _ACTIONS[interaction],
        "recorded": instant(entry.at),
        "outcome": "0",
        "agent": _agents(entry, about, interaction, bool(outgoing)),
        "source": {"observer": _device()},
        "entity": [
            {
                "what": {"reference": f"{about.base}/{outgoing}" if outgoing else _versioned(entry, about.what)},
                **_entity("2", "System Object", "4", "Domain Resource"),
                **({"securityLabel": labels} if labels else {}),
                "detail": _details(entry),
            },
            *([patient] if about.patient else ()),
        ],
    }


def _agents(entry: AuditEntry, about: About, interaction: Interaction, outgoing: bool) -> list[dict[str, Any]]:
    """Return the user, where a person acted, with client and server.

    A person comes through an application of the EHR; its address on the network is not kept, the EHR's stands for it.
    """
    ours = (_device(), f"{about.public_url}/fhir")
    theirs = ({"identifier": {"system": about.base, "value": about.client}}, about.base)
    person = entry.actor != SERVICE_ACTOR
    client, server = (ours, theirs) if outgoing else (theirs if person and about.base else ours, ours)
    ends = (_SOURCE, _DESTINATION) if interaction != "read" else (_DESTINATION, _SOURCE)
    agents = [
        {
            "type": {"coding": [{"system": _DICOM, "code": end[0], "display": end[1]}]},
            "who": who,
            "requestor": False,
            "network": {"address": address, "type": _URI},
        }
        for end, (who, address) in zip(ends, (client, server), strict=True)
    ]
    return [*([_user(entry, about, interaction)] if person else ()), *agents]


def _user(entry: AuditEntry, about: About, interaction: Interaction) -> dict[str, Any]:
    part = ("IRCP", "information recipient") if interaction == "read" else ("AUT", "author (originator)")
    known = "/" in entry.actor and about.base
    return {
        "type": {"coding": [{"system": _PARTICIPATION, "code": part[0], "display": part[1]}]},
        "who": {"reference": f"{about.base}/{entry.actor}"} if known else {"display": entry.actor},
        "requestor": True,
    }


def _interaction(entry: AuditEntry) -> Interaction:
    given = _mapping(entry.detail.get("given"))
    opened = entry.event == "presented" and "page" in given and "own" not in given
    return "read" if opened else _INTERACTIONS.get(entry.event, "update")


def _details(entry: AuditEntry) -> list[dict[str, str]]:
    asserted = _mapping(_mapping(entry.detail.get("given")).get("assertion"))
    told = {"sha256": entry.hash, "previous-sha256": entry.previous}
    told |= {f"authentication-{name}": str(asserted[name]) for name in ("method", "authenticated") if name in asserted}
    return [{"type": name, "valueString": value} for name, value in told.items()]


def _at_the_ehr(entry: AuditEntry) -> str | None:
    """Return the reference of what a link made at the EHR, ``Type/id``."""
    step = _mapping(entry.detail.get("step")) if entry.event in _AT_THE_EHR else _NOTHING
    made = step.get("order") or step.get("provenance")
    return made if isinstance(made, str) and "/" in made else None


def _mapping(found: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else _NOTHING


def _versioned(entry: AuditEntry, what: str) -> str:
    version = entry.detail.get("version")
    return f"{what}/_history/{version}" if isinstance(version, int) and "/" in what else what


def _entity(kind: str, kind_display: str, role: str, role_display: str) -> dict[str, Any]:
    return {
        "type": {"system": _ENTITY, "code": kind, "display": kind_display},
        "role": {"system": _ROLE, "code": role, "display": role_display},
    }


def _device() -> dict[str, Any]:
    return {"reference": f"Device/{DEVICE_ID}", "type": "Device"}
