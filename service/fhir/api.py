"""The routes under /fhir: metadata, read and search. The signing operations are in ``operations``.

Everything but ``metadata``, the Device, its model card and the bare count of held drafts needs a practitioner of a
tenant, who sees that tenant's records only, of patients whom the EHR gives this user now.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.errors import NotFound
from service.fhir import (
    attestations,
    consents,
    guidance,
    history,
    operations,
    provenances,
    questionnaires,
    reach,
    records,
    search,
    searched,
    tasks,
    trails,
)
from service.fhir.audit_events import chain_place
from service.fhir.capabilities import SEARCHES, capability_statement
from service.fhir.records import Record
from service.fhir.resources import device, encode, entry, model_card, passed_over, searchset
from service.fhir.search import Query
from service.smart import tokens

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

FHIR_JSON = "application/fhir+json"
router = APIRouter()
router.include_router(operations.router)
router.include_router(attestations.router)
router.include_router(questionnaires.router)
router.include_router(consents.router)


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
    if kind in _OPEN:
        found = [one for one in _open(services, kind) if search.matches(one.head, query.values)]
        return answer(_page(query, found, found, public_url))
    who = await tokens.user(request, services)
    asked_for = await _SEARCHES[kind](services, who.practitioner, query)
    found = await reach.among(services, who, asked_for)
    begins = query.begins(found)
    shown = [] if query.summary else found[begins : begins + query.count]
    await searched.record(services, who, query, searched.Searched(asked_for, found, shown))
    if kind == "Task":
        shown = [await tasks.finished(services, one) for one in shown]
    return answer(_page(query, found, shown, public_url))


@router.get("/fhir/MedicationRequest/{ident}/_history")
async def history_of(ident: str, request: Request) -> Response:
    """Answer the versions of a draft or a signed order, newest first."""
    services: Services = request.app.state.services
    who = await tokens.user(request, services)
    found = await history.of(services, who.practitioner.ehr, ident)
    await reach.record(services, who, found[0], "history-instance")
    public_url = services.settings.server.public_url
    return answer(history.bundle(found, public_url, f"{public_url}/fhir/MedicationRequest/{ident}/_history"))


@router.get("/fhir/MedicationRequest/{ident}/_history/{number}")
async def vread(ident: str, number: str, request: Request) -> Response:
    """Read one version of a draft or a signed order."""
    services: Services = request.app.state.services
    who = await tokens.user(request, services)
    found = await history.version(services, who.practitioner.ehr, ident, number)
    return _one(await reach.record(services, who, found, "vread"))


@router.get("/fhir/{kind}/{ident}")
async def read(kind: str, ident: str, request: Request) -> Response:
    """Read one resource."""
    services: Services = request.app.state.services
    if _known(kind) in _OPEN:
        for found in _open(services, kind):
            if found.head.id == ident:
                return answer(found.resource)
        raise _unknown(kind)
    who = await tokens.user(request, services)
    return _one(await reach.record(services, who, await _READS[kind](services, who.practitioner.ehr, ident)))


def answer(resource: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a resource as FHIR JSON."""
    return Response(encode(resource), media_type=FHIR_JSON, headers=dict(headers or {}))


def _known(kind: str) -> str:
    if kind not in SEARCHES:
        raise NotFound("U-FHIR-TYPE-UNSUPPORTED", "This type is not served; GET /fhir/metadata lists those that are.")
    return kind


def _unknown(kind: str) -> NotFound:
    return NotFound("U-FHIR-UNKNOWN", f"There is no such {kind}.")


def _page(query: Query, found: list[Record], shown: list[Record], public_url: str) -> dict[str, Any]:
    """Return the page of a search that found ``found``, of which ``shown`` are on it."""
    links = {"self": query.link(public_url, query.offset, query.after)}
    told = passed_over(query.ignored)
    if query.summary:
        return searchset([], len(found), links, told)
    end = query.begins(found) + query.count
    if end < len(found):
        links["next"] = query.link(public_url, end, shown[-1].head.id)
    return searchset([entry(public_url, r.kind, r.head.id, r.resource) for r in shown], len(found), links, told)


def _one(record: Record) -> Response:
    return answer(record.resource, {"ETag": f'W/"{record.version}"'})


def _open(services: "Services", kind: str) -> list[Record]:
    """Return what says who we are, to anybody: the Device, or its model card."""
    versions = {"software": version("undersign"), "knowledge": services.knowledge.version}
    if services.model is not None:
        versions["model"] = services.model.version
    resource = _OPEN[kind](services.settings.server.public_url, versions)
    return [Record(kind, msgspec.convert(resource, type=records.Head), 1, resource)]


async def _read_audit_event(services: "Services", ehr: str, ident: str) -> Record:
    place = chain_place(ident)
    if place is None:
        raise _unknown("AuditEvent")
    for record in await trails.of_chain(services, ehr, place[0]):
        if record.head.id == ident:
            return record
    raise _unknown("AuditEvent")


_OPEN: Mapping[str, Callable[[str, Mapping[str, str]], dict[str, Any]]] = {
    "Device": device,
    "DocumentReference": model_card,
}
_SEARCHES: Mapping[str, Callable[["Services", "Practitioner", Query], Awaitable[list[Record]]]] = {
    "MedicationRequest": search.medication_requests,
    "Task": search.tasks,
    "GuidanceResponse": search.guidance,
    "Provenance": search.provenances,
    "Procedure": search.procedures,
    "Consent": search.consents,
    "AuditEvent": search.audit_events,
}
_READS: Mapping[str, search.Read] = {
    "MedicationRequest": records.medication_request,
    "Task": tasks.read,
    "GuidanceResponse": guidance.read,
    "Provenance": provenances.read,
    "Procedure": attestations.read,
    "Consent": consents.read,
    "AuditEvent": _read_audit_event,
}
