"""The signed order as a document: for an EHR that takes no orders, so that a person enters it from there.

R4 DocumentReference, http://hl7.org/fhir/R4/documentreference.html: the exact bytes of the order and of its
Provenance are its attachments, the drug and the dose its description.
"""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import OutboxEntry
from service.ehr.readback import read_resource, same_reference
from service.errors import BadRequest

KIND: Final = "DocumentReference"
# LOINC 57833-6 as national guides have it for a prescription as a document (JP Core, ANS France).
_TYPE: Final = {"system": "http://loinc.org", "code": "57833-6", "display": "Prescription for medication"}
_FHIR: Final = "application/fhir+json"
_PARTS: Final = (("order", "Signed order"), ("provenance", "Provenance and signature of the order"))
Read = Callable[[str], Awaitable[bytes]]


def document(entry: OutboxEntry) -> bytes:
    """Return the canonical bytes of the DocumentReference for a signed order, found by the order's identifier."""
    order = load_object(entry.order)
    drug = order["medicationCodeableConcept"]
    dose = [text for one in order["dosageInstruction"] if (text := one.get("text"))]
    name = drug.get("text") or drug["coding"][0].get("display") or drug["coding"][0]["code"]
    parts = zip(_PARTS, (entry.order, entry.provenance), strict=True)
    return dumps(
        {
            "resourceType": KIND,
            "status": "current",
            "docStatus": "final",
            "type": {"coding": [_TYPE]},
            "identifier": order["identifier"][:1],
            "subject": order["subject"],
            "date": order["authoredOn"],
            "author": [order["requester"]],
            "description": f"Signed order, to be entered: {name}; {'; '.join(dose) or 'dose in the attached order'}",
            "content": [{"attachment": _attachment(title, raw)} for (_, title), raw in parts],
        }
    )


async def differences(ours: bytes, held: bytes, fhir_base: str, read: Read) -> tuple[str, ...]:
    """Return the names of the fields in which the EHR's document is not ours, sorted.

    ``read`` reads a Binary where the EHR keeps attachments apart; EhrFailed U-EHR-ANSWER for what cannot be read.
    """
    mine, theirs = load_object(ours), read_resource(held)
    checks = {
        "resourceType": theirs.get("resourceType") == KIND,
        "status": theirs.get("status") == "current",
        "subject": same_reference(mine["subject"], theirs.get("subject"), fhir_base),
        "identifier": _keys(mine["identifier"]) <= _keys(theirs.get("identifier")),
    }
    attached = _attachments(theirs)
    for (name, _), wanted in zip(_PARTS, _attachments(mine), strict=True):
        checks[name] = any([await _data(one, read) == b64decode(wanted["data"]) for one in attached])
    return tuple(sorted(name for name, same in checks.items() if not same))


def _attachment(title: str, raw: bytes) -> dict[str, str]:
    return {"contentType": _FHIR, "data": b64encode(raw).decode(), "title": title}


def _attachments(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = resource.get("content")
    listed = cast("list[Any]", content) if isinstance(content, list) else []
    found = [cast("dict[str, Any]", one).get("attachment") for one in listed if isinstance(one, dict)]
    return [cast("dict[str, Any]", one) for one in found if isinstance(one, dict)]


async def _data(attachment: Mapping[str, Any], read: Read) -> bytes | None:
    """Return an attachment's bytes, from the Binary at this EHR that it names where they are not in it."""
    data, url = attachment.get("data"), attachment.get("url")
    if data is None and isinstance(url, str):
        try:
            data = read_resource(await read(url)).get("data")
        except BadRequest:  # an address elsewhere is never fetched
            return None
    try:
        return b64decode(data, validate=True) if isinstance(data, str) else None
    except ValueError:
        return None


def _keys(items: object) -> set[tuple[object, object]]:
    listed = cast("list[Any]", items) if isinstance(items, list) else []
    known = [cast("dict[str, Any]", one) for one in listed if isinstance(one, dict)]
    return {(str(one.get("system")), str(one.get("value"))) for one in known}
