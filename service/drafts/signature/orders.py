"""Draft → the exact bytes of the order that a practitioner signs, and the signature over them.

The order is built once, here, and its bytes are what is shown, signed, stored, verified and written; nothing
is serialised a second time. Draft, version, time, practitioner and tenant are inside the bytes. The digest is
``sha256-`` and the SHA-256 of the bytes in base64url without padding.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from service.drafts.canonical_json import digest, dumps, instant, load_object
from service.drafts.order import edits
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.signature import order_gate
from service.drafts.signature.provenance import Told, provenance, provenance_for
from service.drafts.signature.signing import Signer
from service.errors import ServiceError, Unprocessable
from service.settings import Ehr

if TYPE_CHECKING:
    from service.smart.practitioner import Practitioner

__all__ = [
    "STATUS_OF", "assertion", "check_acknowledgements", "draft_reference", "edited", "order_identifier", "order_system",
    "prepare", "provenance", "provenance_for", "sign",
]  # fmt: skip

OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
AI_ASSERTED: Final = {
    "system": OBSERVATION_VALUE,
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
CLINICIAN_ASSERTED: Final = {"system": OBSERVATION_VALUE, "code": "CLINAST", "display": "clinician asserted"}
# The status that an order is signed and written with, by how orders reach the EHR (``ehr.write_back``).
STATUS_OF: Final = {"card": "active", "unsigned-order": "draft", "sign-and-write": "active", "document-only": "active"}
_NOT_CARRIED: Final = ("id", "text", "statusReason")
_STORED_META: Final = ("versionId", "lastUpdated", "source")
_LONGEST_NAME: Final = 200

edited = edits.edited


def prepare(
    draft: Draft,
    order_edit: bytes | None,
    practitioner: "Practitioner",
    ehr: Ehr,
    public_url: str,
    now: datetime,
    points: Sequence[str] = (),
) -> Prepared:
    """Return the order's exact bytes with their digest and what the signer must acknowledge.

    ``points`` are what ``edit_rules`` found of these bytes. With an edit that changes anything the version is the
    next one: pass ``edited(…)`` to ``Store.prepare`` as ``resource``. Unprocessable: U-ORDER-FIELD,
    U-ORDER-INCOMPLETE, U-ORDER-DOSE, U-ORDER-ELEMENT, U-ORDER-INVALID; InputError U-JSON-*.
    """
    changed = edited(draft, order_edit, practitioner.reference)
    version = draft.version + int(changed is not None)
    order_id = str(uuid4())
    resource = load_object(changed or draft.resource)
    # Where the EHR has to sign what is approved here, the order says so: it is no active one yet.
    status = STATUS_OF[ehr.write_back]
    order = _order(resource, practitioner, now, status)
    order["identifier"] = [{"system": order_system(public_url, ehr), "value": order_id}]
    based_on = {"reference": draft_reference(public_url, draft.id, version)}
    order["basedOn"] = [based_on, *order.get("basedOn", [])]
    order_gate.check_order(order, draft.patient, status)
    raw = dumps(order)
    return Prepared(
        draft=draft.id,
        version=version,
        digest=digest(raw),
        practitioner=practitioner.reference,
        order=raw,
        order_id=order_id,
        acknowledgements=tuple(dict.fromkeys((*_acknowledgements(draft), *points))),
        prepared=now,
    )


def sign(
    prepared: Prepared,
    signer: Signer,
    practitioner: "Practitioner",
    public_url: str,
    now: datetime,
    told: Told | None = None,
) -> Signature:
    """Return the finished signature over the prepared bytes, with its Provenance, for ``Store.sign``.

    The caller has checked who signs and ``check_acknowledgements``; ``told`` is for the Provenance.
    """
    jws = signer.sign_detached(prepared.order)
    return Signature(
        draft=prepared.draft,
        version=prepared.version,
        digest=prepared.digest,
        practitioner=practitioner.reference,
        order_id=prepared.order_id,
        order=prepared.order,
        jws=jws,
        provenance=provenance(prepared, jws, public_url, now, told),
        signed=now,
    )


def check_acknowledgements(prepared: Prepared, given: Sequence[str]) -> None:
    """Refuse anything but exactly what was to be acknowledged: Unprocessable U-ACKNOWLEDGE."""
    wanted, brought = set(prepared.acknowledgements), set(given)
    if wanted != brought:
        msg = f"{len(wanted - brought)} point(s) to acknowledge are left, {len(brought - wanted)} are unknown"
        raise Unprocessable("U-ACKNOWLEDGE", f"{msg}; prepare again and acknowledge each point shown")


def assertion(practitioner: "Practitioner") -> dict[str, str]:
    """Return what the signing service asserts of the signer, for the ``detail`` of ``Store.sign``.

    The key is the service's: the record must say how and when the practitioner was authenticated.
    """
    found = {"method": practitioner.method, "authenticated": instant(practitioner.authenticated)}
    return found if practitioner.role is None else {**found, "role": practitioner.role}


def named(practitioner: "Practitioner") -> dict[str, str]:
    """Return the Reference to a practitioner, by name where a page could show the name as it is written."""
    name = practitioner.display or ""
    told = len(name) <= _LONGEST_NAME and order_gate.is_shown(name)
    return {"reference": practitioner.reference} | ({"display": name} if told else {})


def draft_reference(public_url: str, draft: str, version: int) -> str:
    """Return the versioned URL of a draft."""
    return f"{public_url.rstrip('/')}/fhir/MedicationRequest/{draft}/_history/{version}"


def order_system(public_url: str, ehr: Ehr) -> str:
    """Return the identifier system of the orders for one tenant."""
    return f"{public_url.rstrip('/')}/fhir/NamingSystem/order/{ehr.id}"


def order_identifier(order: bytes) -> tuple[str, str]:
    """Return system and value of a prepared order's own identifier, by which it is found at the EHR."""
    first: Mapping[str, str] = load_object(order)["identifier"][0]
    return first["system"], first["value"]


def _order(resource: Mapping[str, Any], practitioner: "Practitioner", now: datetime, status: str) -> dict[str, Any]:
    kept = {name: value for name, value in resource.items() if name not in _NOT_CARRIED}
    # What the AI noted ("not an order") is said of the draft and stays there; only a person's notes go on.
    notes = [note for note in kept.pop("note", []) if "authorReference" in note]
    return {
        **(kept | ({"note": notes} if notes else {})),
        "meta": _meta(resource.get("meta", {})),
        "status": status,
        "intent": "order",
        "requester": named(practitioner),
        "authoredOn": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in meta.items() if name not in _STORED_META}
    labels = [label for label in meta.get("security", []) if label.get("system") != OBSERVATION_VALUE]
    asserted = [label for label in meta.get("security", []) if label.get("code") == AI_ASSERTED["code"]]
    return {**kept, "security": [*labels, *(asserted[:1] or [AI_ASSERTED]), CLINICIAN_ASSERTED]}


def _acknowledgements(draft: Draft) -> tuple[str, ...]:
    # A context that does not say is not one that asks for nothing.
    found: object = load_object(draft.context).get("acknowledge")
    points = cast(list[object], found) if isinstance(found, list) else [None]
    texts = tuple(point for point in points if isinstance(point, str))
    if len(texts) != len(points):
        msg = "the draft does not say what its signer must acknowledge; open the chart again for a new one"
        raise ServiceError("U-DRAFT-CONTEXT", msg)
    return texts
