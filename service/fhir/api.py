"""The routes under /fhir: metadata, read and search. The signing operations are in ``operations``.

Everything but ``metadata``, the Device and the bare count of held drafts needs a practitioner of a tenant,
who sees that tenant's records only.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.errors import NotFound
from service.fhir import attestations, operations, records, search, trails
from service.fhir.audit_events import chain_place
from service.fhir.capabilities import SEARCHES, capability_statement
from service.fhir.records import Record
from service.fhir.resources import DEVICE_ID, device, encode, entry, searchset
from service.fhir.search import Query
from service.smart import tokens

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

FHIR_JSON = "application/fhir+json"
router = APIRouter()
router.include_router(operations.router)
router.include_router(attestations.router)


@router.get("/fhir/metadata")
async def metadata(request: Request) -> Response:
    """Answer the CapabilityStatement."""
    services: Services = request.app.state.services
    today = datetime.now(UTC).date()
    return answer(capability_statement(services.settings.server.public_url, version("undersign"), today))


@router.get("/fhir/{kind}")
async def search_type(kind: str, request: Request) -> Response:
    """Search one type."""
    services: Services = request.app.state.services
    query = search.parse(request, _known(kind))
    public_url = services.settings.server.public_url
    if search.is_open_count(query):
        held = await search.count_held(services)
        return answer(searchset([], held, {"self": query.link(public_url, 0)}))
    if kind == "Device":
        return answer(_page(query, _devices(services, query), public_url))
    who = await tokens.authenticate(request, services)
    found = await _SEARCHES[kind](services, who, query)
    return answer(_page(query, found, public_url))


@router.get("/fhir/{kind}/{ident}")
async def read(kind: str, ident: str, request: Request) -> Response:
    """Read one resource."""
    services: Services = request.app.state.services
    if _known(kind) == "Device":
        if ident != DEVICE_ID:
            raise _unknown(kind)
        return answer(_device(services))
    who = await tokens.authenticate(request, services)
    record = await _READS[kind](services, who.ehr, ident)
    return answer(record.resource, {"ETag": f'W/"{record.version}"'})


def answer(resource: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a resource as FHIR JSON."""
    return Response(encode(resource), media_type=FHIR_JSON, headers=dict(headers or {}))


def _known(kind: str) -> str:
    if kind not in SEARCHES:
        raise NotFound("U-FHIR-TYPE-UNSUPPORTED", "This type is not served; GET /fhir/metadata lists those that are.")
    return kind


def _unknown(kind: str) -> NotFound:
    return NotFound("U-FHIR-UNKNOWN", f"There is no such {kind}.")


def _page(query: Query, found: list[Record], public_url: str) -> dict[str, Any]:
    links = {"self": query.link(public_url, query.offset)}
    if query.summary:
        return searchset([], len(found), links)
    end = query.offset + query.count
    if end < len(found):
        links["next"] = query.link(public_url, end)
    shown = found[query.offset : end]
    return searchset([entry(public_url, r.kind, r.head.id, r.resource) for r in shown], len(found), links)


def _device(services: "Services") -> dict[str, Any]:
    versions = {"software": version("undersign"), "knowledge": services.knowledge.version}
    if services.model is not None:
        versions["model"] = services.model.version
    return device(services.settings.server.public_url, versions)


def _devices(services: "Services", query: Query) -> list[Record]:
    resource = _device(services)
    head = msgspec.convert(resource, type=records.Head)
    record = Record("Device", head, 1, resource)
    return [record] if search.matches(head, query.values) else []


async def _read_audit_event(services: "Services", ehr: str, ident: str) -> Record:
    place = chain_place(ident)
    if place is None:
        raise _unknown("AuditEvent")
    for record in await trails.of_chain(services, ehr, place[0]):
        if record.head.id == ident:
            return record
    raise _unknown("AuditEvent")


_SEARCHES: Mapping[str, Callable[["Services", "Practitioner", Query], Awaitable[list[Record]]]] = {
    "MedicationRequest": search.medication_requests,
    "Provenance": search.provenances,
    "Procedure": search.procedures,
    "AuditEvent": search.audit_events,
}
_READS: Mapping[str, Callable[["Services", str, str], Awaitable[Record]]] = {
    "MedicationRequest": records.medication_request,
    "Provenance": records.provenance,
    "Procedure": attestations.read,
    "AuditEvent": _read_audit_event,
}
