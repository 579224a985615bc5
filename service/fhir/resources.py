"""Records of the store as R4 resources: drafts, the service's Device, and Bundles of them.

Signed orders and their Provenance are never rendered: their stored bytes go out as they are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec

from service.drafts.records import Draft, State
from service.drafts.states import ENDED, SIGNED, UNSIGNED

DEVICE_ID = "undersign"
CARD_ID = "model-card"
STATE_SYSTEM = "https://undersign.dev/fhir/CodeSystem/draft-state"
# HL7 AI Transparency on FHIR 1.0.0: CodeSystems AIdeviceTypeCS and AIinputsCS
_GUIDE = "http://hl7.org/fhir/uv/aitransparency"
AI_DEVICE_TYPE = {"system": f"{_GUIDE}/CodeSystem/AIdeviceTypeCS", "code": "Artificial-Intelligence"}
_MODEL_CARD = {"system": f"{_GUIDE}/CodeSystem/AIinputsCS", "code": "AIModelCard", "display": "AI Model-Card"}
_ENDINGS: Mapping[State, str] = {
    "overridden": "rejected by a practitioner",
    "superseded": "replaced by drafts from newer facts",
    "withdrawn": "withdrawn",
    "expired": "expired unsigned",
}
# A dose of 0.50 must stay 0.50: decimals are neither read nor written as binary floats.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def encode(resource: object) -> bytes:
    """Return JSON bytes; ``msgspec.Raw`` members are copied byte for byte."""
    return _ENCODER.encode(resource)


def decode(raw: bytes) -> dict[str, Any]:
    """Return one JSON object with its decimals kept as written."""
    return _DECODER.decode(raw)


def instant(moment: datetime) -> str:
    """Return a FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def draft_status(state: State) -> str:
    """Return MedicationRequest.status of a draft: signed ones are completed, ended ones cancelled."""
    if state in UNSIGNED:
        return "draft"
    return "completed" if state in SIGNED else "cancelled"


def states_of(status: str) -> tuple[State, ...]:
    """Return the states behind a MedicationRequest.status, for drafts and for the orders made from them."""
    # A signed order is itself a draft where the EHR has to sign it (``write_back = "unsigned-order"``).
    held = {"draft": (*UNSIGNED, *SIGNED), "cancelled": ENDED, "completed": SIGNED, "active": SIGNED}
    return held.get(status, ())


def draft_resource(draft: Draft) -> dict[str, Any]:
    """Return the draft as it stands now, with its version, time and, when it ended, why."""
    resource = decode(draft.resource)
    resource["id"] = draft.id
    meta = cast(dict[str, Any], resource.get("meta") or {})
    resource["meta"] = {**meta, "versionId": str(draft.version), "lastUpdated": instant(draft.updated)}
    resource["status"] = draft_status(draft.state)
    if draft.state in _ENDINGS:
        coding = {"system": STATE_SYSTEM, "code": draft.state}
        resource["statusReason"] = {"coding": [coding], "text": _ENDINGS[draft.state]}
    return resource


def device(public_url: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the Device that authors the drafts; ``versions`` of software, model and knowledge."""
    kinds = ("Rule-Based-Systems", "Machine-Learning-Models")[: 2 if "model" in versions else 1]
    return {
        "resourceType": "Device",
        "id": DEVICE_ID,
        "extension": [
            *(
                {"url": f"{_GUIDE}/StructureDefinition/aitransparency.AIKind", "valueCodeableConcept": _kind(one)}
                for one in kinds
            ),
            {
                "url": f"{_GUIDE}/StructureDefinition/aitransparency.modelCardDescription",
                "valueReference": {"reference": f"DocumentReference/{CARD_ID}", "type": "DocumentReference"},
            },
        ],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"{public_url}/fhir/Device/{DEVICE_ID}"}],
        "status": "active",
        "deviceName": [{"name": "Undersign", "type": "user-friendly-name"}],
        "type": {"coding": [AI_DEVICE_TYPE], "text": "drafts medication requests for review"},
        "version": [{"type": {"text": part}, "value": value} for part, value in sorted(versions.items())],
        "url": f"{public_url}/model-card",
    }


def model_card(public_url: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the model card as DocumentReference, which has the address of the card itself."""
    url = f"{public_url}/model-card"
    return {
        "resourceType": "DocumentReference",
        "id": CARD_ID,
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": url}],
        "status": "current",
        "type": {"coding": [_MODEL_CARD]},
        # The guide names two formats, Markdown and CHAI; this card is neither.
        "category": [{"text": "HTML, or JSON by Accept"}],
        "author": [{"reference": f"Device/{DEVICE_ID}", "type": "Device"}],
        "description": ", ".join(f"{part} {value}" for part, value in sorted(versions.items())),
        "content": [{"attachment": {"contentType": kind, "url": url}} for kind in ("text/html", "application/json")],
    }


def _kind(code: str) -> dict[str, Any]:
    return {"coding": [{"system": AI_DEVICE_TYPE["system"], "code": code}]}


def entry(public_url: str, kind: str, ident: str, resource: object) -> dict[str, Any]:
    """Return one Bundle entry; ``resource`` an object, or ``msgspec.Raw`` of stored bytes."""
    return {"fullUrl": f"{public_url}/fhir/{kind}/{ident}", "resource": resource}


def collection(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a Bundle of type collection."""
    return {"resourceType": "Bundle", "type": "collection", "entry": list(entries)}


def passed_over(ignored: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entry that says how many parameters of a search were not looked at, none where all were."""
    if not ignored:
        return []
    text = f"{len(ignored)} parameters are not known here and were passed over; the self link has those that were used."
    issue = {"severity": "warning", "code": "not-supported", "details": {"text": text}}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return [{"resource": outcome, "search": {"mode": "outcome"}}]


def searchset(
    entries: Sequence[Mapping[str, Any]],
    total: int,
    links: Mapping[str, str],
    told: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a Bundle of type searchset; ``links`` are relation → address, ``told`` entries beside the matches."""
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": [{"relation": relation, "url": address} for relation, address in links.items()],
    }
    # R4 forbids an empty array (json.html#null).
    found = [*({**e, "search": {"mode": "match"}} for e in entries), *told]
    return bundle | ({"entry": found} if found else {})
