"""What every AuditEvent of ours is made of: whose chain it is of, its agents, its entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from service.drafts.audit import SERVICE_ACTOR
from service.drafts.records import AuditEntry
from service.fhir.resources import DEVICE_ID

EVENT_SYSTEM: Final = "https://undersign.dev/fhir/CodeSystem/audit-event"
INTERACTION_SYSTEM: Final = "http://hl7.org/fhir/restful-interaction"
PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TYPE: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "Restful Operation",
}
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_SOURCE, _DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
_URI: Final = "5"  # network-type
Part = Literal["author", "recipient"]
_PARTS: Final[Mapping[Part, tuple[str, str]]] = {
    "author": ("AUT", "author (originator)"),
    "recipient": ("IRCP", "information recipient"),
}
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class About:
    """Whose chain it is: ``what`` is a reference that the chain is about, ``patient`` an absolute one.

    ``base`` is the address of the tenant's EHR and ``client`` what it calls this service's app; both are empty for
    what concerns the whole service. ``labels`` are the security labels of ``what``. The entries of a chain of accesses
    say themselves what each is about.
    """

    what: str
    public_url: str
    base: str = ""
    client: str = ""
    patient: str | None = None
    labels: Sequence[Mapping[str, Any]] = ()


def agents(
    entry: AuditEntry, about: About, part: Part, *, client_sends: bool, outgoing: bool = False
) -> list[dict[str, Any]]:
    """Return the user, where a person acted, with client and server.

    ``client_sends``: the client has the source's role, as in all of BALP but a read. A person comes through an
    application of the EHR; its address on the network is not kept, the EHR's stands for it.
    """
    ours = (device(), f"{about.public_url}/fhir")
    theirs = ({"identifier": {"system": about.base, "value": about.client}}, about.base)
    person = entry.actor != SERVICE_ACTOR
    client, server = (ours, theirs) if outgoing else (theirs if person and about.base else ours, ours)
    ends = (_SOURCE, _DESTINATION) if client_sends else (_DESTINATION, _SOURCE)
    found = [
        {
            "type": {"coding": [{"system": _DICOM, "code": end[0], "display": end[1]}]},
            "who": who,
            "requestor": False,
            "network": {"address": address, "type": _URI},
        }
        for end, (who, address) in zip(ends, (client, server), strict=True)
    ]
    return [*([_user(entry, about, part)] if person else ()), *found]


def data(what: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entity that an event is about."""
    return {"what": {"reference": what}, **_entity("2", "System Object", "4", "Domain Resource"), **more}


def query(text: str) -> dict[str, Any]:
    """Return the entity of a search, its text in base64."""
    return {**_entity("2", "System Object", "24", "Query"), "query": text}


def patient(about: About, more: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
    """Return the entity of the patient."""
    return {"what": {"reference": about.patient, "type": "Patient"}, **_entity("1", "Person", "1", "Patient"), **more}


def details(told: Mapping[str, str]) -> list[dict[str, str]]:
    """Return named texts as an entity's details."""
    return [{"type": name, "valueString": value} for name, value in told.items()]


def hashes(entry: AuditEntry) -> dict[str, str]:
    """Return the link's hash and its predecessor's, so that an exported trail can be checked."""
    return {"sha256": entry.hash, "previous-sha256": entry.previous}


def device() -> dict[str, Any]:
    """Return the reference to this service."""
    return {"reference": f"Device/{DEVICE_ID}", "type": "Device"}


def mapping(found: object) -> Mapping[str, Any]:
    """Return a part of a detail, empty where it is none."""
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else _NOTHING


def _user(entry: AuditEntry, about: About, part: Part) -> dict[str, Any]:
    code, display = _PARTS[part]
    known = "/" in entry.actor and about.base
    return {
        "type": {"coding": [{"system": _PARTICIPATION, "code": code, "display": display}]},
        "who": {"reference": f"{about.base}/{entry.actor}"} if known else {"display": entry.actor},
        "requestor": True,
    }


def _entity(kind: str, kind_display: str, role: str, role_display: str) -> dict[str, Any]:
    return {
        "type": {"system": _ENTITY, "code": kind, "display": kind_display},
        "role": {"system": _ROLE, "code": role, "display": role_display},
    }
