"""The Provenance of a signed order: who decided, on which draft, with the signature that proves it.

R4 Provenance, with the reason label of HL7's AI Transparency guide: an AI asserted the draft, a practitioner
authored the order. The target is named by the order's identifier until the EHR has given it an id.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service.drafts import claims
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import dumps, load_object
from service.drafts.store import Prepared

if TYPE_CHECKING:
    from service.smart.practitioner import Practitioner

_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_OPERATION: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
# ASTM E1762 author's signature: the purpose code of R4's signature-type value set.
_AUTHOR: Final = {
    "system": "urn:iso-astm:E1762-95:2013",
    "code": "1.2.840.10065.1.12.1.1",
    "display": "Author's Signature",
}


def provenance(
    prepared: Prepared,
    jws: str,
    practitioner: "Practitioner",
    public_url: str,
    signed: datetime,
) -> bytes:
    """Return the canonical bytes of the Provenance that carries ``jws`` over the prepared order."""
    order = load_object(prepared.order)
    when = signed.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    named = {} if practitioner.display is None else {"display": practitioner.display}
    who = {"reference": practitioner.reference, **named}
    return dumps(
        {
            "resourceType": "Provenance",
            "target": [
                {
                    "reference": f"MedicationRequest/{prepared.order_id}",
                    "type": "MedicationRequest",
                    "identifier": order["identifier"][0],
                }
            ],
            "recorded": when,
            "reason": [_concept(_OBSERVATION_VALUE, "AIAST", "Artificial Intelligence asserted")],
            "activity": _concept(_OPERATION, "CREATE", "create"),
            "agent": [
                {"type": _concept(_PARTICIPANT, "author", "Author"), "who": who},
                {"type": _concept(_PARTICIPANT, "assembler", "Assembler"), "who": _device(public_url)},
            ],
            "entity": [{"role": "derivation", "what": {"reference": order["basedOn"][0]["reference"]}}],
            "signature": [
                {
                    "type": [_AUTHOR],
                    "when": when,
                    "who": who,
                    "targetFormat": "application/fhir+json",
                    "sigFormat": "application/jose",
                    "data": claims.carried(jws),
                }
            ],
        }
    )


def provenance_for(provenance: bytes, order_reference: str) -> bytes:
    """Return the Provenance with its target at the id that the EHR gave the order; the rest to the byte."""
    found = load_object(provenance)
    first: Mapping[str, Any] = found["target"][0]
    return dumps({**found, "target": [{**first, "reference": order_reference}, *found["target"][1:]]})


def _device(public_url: str) -> dict[str, Any]:
    reference = f"{public_url.rstrip('/')}/fhir/{SERVICE_ACTOR}"
    return {"reference": reference, "type": "Device", "display": "Undersign"}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}
