"""The Provenance of a signed order, and the parts that every Provenance of ours is made of.

R4 Provenance by HL7's AI Transparency on FHIR (http://hl7.org/fhir/uv/aitransparency, 1.0.0): an AI asserted the draft
(reason ``AIAST``, an agent with the role Artificial-Intelligence), a practitioner authored the order. The target is
named by the order's identifier until the EHR has given it an id. What was created and what was written back is told
from the audit chain when it is asked for (``service.fhir.provenances``); this one alone is signed and stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from service.drafts import claims, labels
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import digest, dumps, load_object
from service.drafts.records import Prepared

PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
US_CORE_PARTICIPANT: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
# Our own names of what has no address: digests and versions.
DIGEST: Final = "https://undersign.dev/fhir/NamingSystem/sha256"
ACKNOWLEDGED: Final = "https://undersign.dev/fhir/NamingSystem/acknowledged"
SHOWN: Final = "https://undersign.dev/fhir/NamingSystem/shown"
CHANGED: Final = "https://undersign.dev/fhir/NamingSystem/changed"
_AI: Final = {
    "system": "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
    "code": "Artificial-Intelligence",
}
# ASTM E1762 author's signature: the purpose code of R4's signature-type value set.
_AUTHOR: Final = {
    "system": "urn:iso-astm:E1762-95:2013",
    "code": "1.2.840.10065.1.12.1.1",
    "display": "Author's Signature",
}
EntityRole = Literal["derivation", "revision", "quotation", "source", "removal"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a signature was made on beside the order's bytes: see ``decisions.sign``.

    ``changed`` as ``differences`` says it, ``shown`` the sections of the page that were opened, ``organization`` the
    reference of the tenant's Organization at the EHR.
    """

    changed: Sequence[Mapping[str, str]] = ()
    shown: Sequence[str] = ()
    organization: str | None = None


def provenance(
    prepared: Prepared,
    jws: str,
    public_url: str,
    signed: datetime,
    told: Told | None = None,
) -> bytes:
    """Return the canonical bytes of the Provenance that carries ``jws`` over the prepared order."""
    order, told = load_object(prepared.order), told or Told()
    when = milliseconds(signed)
    # By the name that the page showed, where it could show one.
    who: Mapping[str, Any] = order["requester"]
    draft = order["basedOn"][0]["reference"]
    return dumps(
        {
            "resourceType": "Provenance",
            **labels.meta(labels.inherited(prepared.order)),
            "target": [
                {
                    "reference": f"MedicationRequest/{prepared.order_id}",
                    "type": "MedicationRequest",
                    "identifier": order["identifier"][0],
                }
            ],
            "recorded": when,
            "reason": [ai_asserted()],
            "activity": concept(OPERATION, "CREATE", "create"),
            "agent": [author(who, told.organization), ai_agent(public_url, "assembler", "Assembler")],
            "entity": [
                entity("derivation", {"reference": draft}),
                entity("source", named_by(DIGEST, prepared.digest, "the order's bytes as they were shown")),
                *(entity("source", named_by(SHOWN, part, f"shown: {part}")) for part in told.shown),
                *(
                    entity("source", named_by(ACKNOWLEDGED, digest(text.encode()), f"acknowledged: {text}"))
                    for text in prepared.acknowledgements
                ),
                *(entity("revision", named_by(CHANGED, one["element"], _difference(one))) for one in told.changed),
            ],
            "signature": [signature(jws, who, when, "application/fhir+json")],
        }
    )


def provenance_for(provenance: bytes, order_reference: str) -> bytes:
    """Return the Provenance with its target at the id that the EHR gave the order; the rest to the byte."""
    found = load_object(provenance)
    first: Mapping[str, Any] = found["target"][0]
    return dumps({**found, "target": [{**first, "reference": order_reference}, *found["target"][1:]]})


def signature(jws: str, who: Mapping[str, Any], when: str, target_format: str) -> dict[str, Any]:
    """Return ``Provenance.signature`` with a detached JWS."""
    return {
        "type": [_AUTHOR],
        "when": when,
        "who": dict(who),
        "targetFormat": target_format,
        "sigFormat": "application/jose",
        "data": claims.carried(jws),
    }


def author(who: Mapping[str, Any], organization: str | None) -> dict[str, Any]:
    """Return the practitioner who decided, on behalf of the tenant's Organization where that is known."""
    found = {"type": concept(PARTICIPANT, "author", "Author"), "who": dict(who)}
    return found if organization is None else {**found, "onBehalfOf": {"reference": organization}}


def ai_agent(public_url: str, code: str, display: str) -> dict[str, Any]:
    """Return this service as the AI; the guide fixes the role to the code without a display."""
    role = [{"coding": [dict(_AI)]}]
    return {"type": concept(PARTICIPANT, code, display), "role": role, "who": device(public_url)}


def ai_asserted() -> dict[str, Any]:
    """Return the reason that the guide asks for."""
    return concept(OBSERVATION_VALUE, "AIAST", "Artificial Intelligence asserted")


def entity(role: EntityRole, what: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``Provenance.entity``."""
    return {"role": role, "what": dict(what)}


def named_by(system: str, value: str, display: str) -> dict[str, Any]:
    """Return a Reference to what has a name and no address."""
    return {"identifier": {"system": system, "value": value}, "display": display}


def device(public_url: str) -> dict[str, Any]:
    """Return the Reference to this service as Device."""
    reference = f"{public_url.rstrip('/')}/fhir/{SERVICE_ACTOR}"
    return {"reference": reference, "type": "Device", "display": "Undersign"}


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """Return a CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def milliseconds(at: datetime) -> str:
    """Return a FHIR instant in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _difference(found: Mapping[str, str]) -> str:
    return f"{found['element']}: {found['drafted']} -> {found['now']}"
