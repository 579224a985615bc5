"""Writing: create (also conditional), update with If-Match, and transactions that leave all or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl
from uuid import uuid4

from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.refusals import Json, Refusal, invalid
from conformance.reference_ehr.search import search
from conformance.reference_ehr.store import Store, Version
from conformance.reference_ehr.validate import check_references, check_shape, patient_of

Permit = Callable[[str, Literal["c", "u"]], str | None]
"""Refuses when the caller may not do this to this type; returns ``Patient/id`` when only that one is open."""


@dataclass(frozen=True, slots=True)
class Written:
    """The version that now stands, and whether this call made it."""

    version: Version
    status: Literal[200, 201]


def create(
    store: Store,
    base: str,
    resource_type: str,
    body: Json,
    permit: Permit,
    if_none_exist: str | None = None,
    resource_id: str | None = None,
) -> Written:
    """Create a resource, or return the one that ``if_none_exist`` finds; two found are refused with 412."""
    patient = permit(resource_type, "c")
    check_shape(body, resource_type)
    existing = _existing(store, base, resource_type, if_none_exist)
    if existing is not None:
        return Written(existing, 200)
    check_references(store, base, body, patient)
    return Written(store.create(body, resource_id), 201)


def update(store: Store, base: str, reference: str, body: Json, permit: Permit, if_match: str | None) -> Written:
    """Replace a resource; its patient stays the same, and If-Match has to name the present version."""
    resource_type, _, resource_id = reference.partition("/")
    patient = permit(resource_type, "u")
    check_shape(body, resource_type)
    if body.get("id") != resource_id:
        raise invalid("The resource's id is not the one in the address.")
    present = store.find(reference)
    if present is not None and patient is None:
        patient = patient_of(present.body, base)
    check_references(store, base, body, patient)
    return Written(store.update(reference, body, if_match), 200)


def transaction(store: Store, base: str, body: Json, permit: Permit) -> Json:
    """Carry out a transaction Bundle of POST and PUT entries; any refusal leaves nothing behind."""
    if body.get("resourceType") != "Bundle" or body.get("type") != "transaction":
        raise invalid("Only a Bundle of type transaction is taken here.")
    entries = body.get("entry", [])
    if not is_list(entries) or not all(_is_entry(entry) for entry in entries):
        raise invalid("Every entry needs a resource and a request with method and url.")
    before = store.snapshot()
    try:
        written = _carry_out(store, base, entries, permit)
    except Refusal:
        store.restore(before)
        raise
    answers = [{"response": _response(base, one)} for one in written]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}


def location(base: str, version: Version) -> str:
    """Return the versioned address of a resource."""
    return f"{base}/{version.reference}/_history/{version.number}"


def _carry_out(store: Store, base: str, entries: list[Json], permit: Permit) -> list[Written]:
    """Give the new resources their ids first, so that entries may refer to each other in any order."""
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    for number, entry in enumerate(entries):
        reference = _planned(store, base, entry)
        ids[str(number)] = reference.partition("/")[2]
        if "fullUrl" in entry:
            names[entry["fullUrl"]] = reference
    ordered = sorted(enumerate(entries), key=lambda item: item[1]["resource"]["resourceType"] == "Provenance")
    written: dict[int, Written] = {}
    for number, entry in ordered:
        resource = _renamed(entry["resource"], names)
        written[number] = _one(store, base, entry["request"], resource, permit, ids[str(number)])
    return [written[number] for number in range(len(entries))]


def _one(store: Store, base: str, request: Json, resource: Json, permit: Permit, resource_id: str) -> Written:
    address = str(request["url"]).strip("/")
    if request["method"] == "POST":
        return create(store, base, address, resource, permit, request.get("ifNoneExist"), resource_id)
    if request["method"] == "PUT":
        return update(store, base, address, {**resource, "id": resource_id}, permit, request.get("ifMatch"))
    raise invalid("A transaction here takes POST and PUT only.")


def _planned(store: Store, base: str, entry: Json) -> str:
    request = entry["request"]
    if request["method"] != "POST":
        return str(request["url"]).strip("/")
    existing = _existing(store, base, request["url"], request.get("ifNoneExist"))
    return existing.reference if existing else f"{request['url']}/{uuid4()}"


def _existing(store: Store, base: str, resource_type: str, if_none_exist: str | None) -> Version | None:
    """Return the one match of a conditional create (R4 http.html#ccreate), None when there is none."""
    if if_none_exist is None:
        return None
    query = parse_qsl(if_none_exist.removeprefix("?"), keep_blank_values=True)
    if not query:
        raise invalid("If-None-Exist holds no search.")
    matches = search(store, base, resource_type, query, strict=True).matches
    if len(matches) > 1:
        raise Refusal(412, "multiple-matches", "U-REF-MATCHES", "If-None-Exist fits more than one resource.")
    return matches[0] if matches else None


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Replace urn:uuid references by the ids that the resources get."""
    if is_object(value):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if is_list(value):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def _is_entry(entry: Any) -> bool:
    try:
        return isinstance(entry["resource"]["resourceType"], str) and all(
            isinstance(entry["request"][key], str) for key in ("method", "url")
        )
    except (KeyError, TypeError):
        return False


def _response(base: str, one: Written) -> Json:
    return {
        "status": "201 Created" if one.status == 201 else "200 OK",
        "location": location(base, one.version),
        "etag": one.version.etag,
        "lastModified": one.version.body["meta"]["lastUpdated"],
    }
