"""The FHIR R4 endpoints: metadata, read, vread, history, search, create, update, transaction."""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from conformance.reference_ehr import discovery, write
from conformance.reference_ehr.bulk import NDJSON
from conformance.reference_ehr.codec import decode, encode
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.oauth_facts import Access
from conformance.reference_ehr.refusals import Refusal, invalid, not_found
from conformance.reference_ehr.scopes import reach
from conformance.reference_ehr.search import Found, Query, bundle, search
from conformance.reference_ehr.store import Version
from conformance.reference_ehr.validate import patient_of

FHIR_JSON = "application/fhir+json"
router = APIRouter(prefix="/fhir")
bulk_router = APIRouter(prefix="/bulk")


def fhir_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``body`` as FHIR JSON."""
    return Response(encode(body), status, headers=headers, media_type=FHIR_JSON)


@router.get("/metadata")
async def metadata(request: Request) -> Response:
    """Return the CapabilityStatement; open to all."""
    ehr = _ehr(request)
    return fhir_response(discovery.capability_statement(ehr.root, ehr.started, ehr.dialect))


@router.get("/.well-known/smart-configuration")
@router.get("/.well-known/openid-configuration")
async def well_known(request: Request) -> Response:
    """Return SMART and OpenID discovery; open to all."""
    return Response(encode(discovery.smart_configuration(_ehr(request).root)), media_type="application/json")


@router.get("/$export")
async def export_all(request: Request) -> Response:
    """Begin an export of everything that the client may read."""
    return _export(request, "")


@router.get("/Patient/$export")
async def export_patients(request: Request) -> Response:
    """Begin an export of all patients."""
    return _export(request, "Patient")


@router.get("/Group/{group}/$export")
async def export_group(request: Request, group: str) -> Response:
    """Begin an export of a Group's members."""
    _readable(request, "Group", group)
    return _export(request, f"Group/{group}")


@bulk_router.get("/{number}")
async def export_status(request: Request, number: str) -> Response:
    """Say how far an export is, or what it has."""
    status, headers, manifest = _ehr(request).exports.status(number, _access(request).client)
    if manifest is None:
        return Response(status_code=status, headers=headers)
    return Response(encode(manifest), status, headers=headers, media_type="application/json")


@bulk_router.get("/{number}/{kind}.ndjson")
async def export_file(request: Request, number: str, kind: str) -> Response:
    """Return one file of an export."""
    return Response(_ehr(request).exports.file(number, kind, _access(request).client), media_type=NDJSON)


@bulk_router.delete("/{number}")
async def export_end(request: Request, number: str) -> Response:
    """Cancel an export, or give back one that is done."""
    _ehr(request).exports.end(number, _access(request).client)
    return Response(status_code=202)


@router.get("/{resource_type}/{resource_id}")
async def read(request: Request, resource_type: str, resource_id: str) -> Response:
    """Return the present version of a resource."""
    return _resource(_readable(request, resource_type, resource_id)[-1])


@router.get("/{resource_type}/{resource_id}/_history/{number}")
async def read_version(request: Request, resource_type: str, resource_id: str, number: str) -> Response:
    """Return one version of a resource."""
    _readable(request, resource_type, resource_id)
    return _resource(_ehr(request).store.read_version(f"{resource_type}/{resource_id}", number))


@router.get("/{resource_type}/{resource_id}/_history")
async def history(request: Request, resource_type: str, resource_id: str) -> Response:
    """Return all versions of a resource, newest first."""
    versions = _readable(request, resource_type, resource_id)
    base = _ehr(request).base
    entries = [
        {
            "fullUrl": f"{base}/{version.reference}",
            "resource": version.body,
            "request": {"method": "POST" if version.number == 1 else "PUT", "url": version.reference},
            "response": {"status": "201" if version.number == 1 else "200", "etag": version.etag},
        }
        for version in reversed(versions)
    ]
    return fhir_response({"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries})


@router.get("/{resource_type}")
async def search_get(request: Request, resource_type: str) -> Response:
    """Search by query string."""
    return _search(request, resource_type, parse_qsl(request.url.query, keep_blank_values=True))


@router.post("/{resource_type}/_search")
async def search_post(request: Request, resource_type: str) -> Response:
    """Search by form; parameters in the address count too (R4 http.html#search)."""
    body = (await request.body()).decode("utf-8", "replace")
    query = parse_qsl(request.url.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return _search(request, resource_type, query)


@router.post("/{resource_type}")
async def create(request: Request, resource_type: str) -> Response:
    """Create a resource, conditionally with If-None-Exist."""
    ehr, access = _ehr(request), _access(request)
    _must_know(ehr, resource_type)
    body = decode(await _json_body(request))
    permit = _Permit(access)
    written = write.create(ehr.store, ehr.base, resource_type, body, permit, request.headers.get("if-none-exist"))
    return _written(request, ehr.base, written)


@router.put("/{resource_type}/{resource_id}")
async def update(request: Request, resource_type: str, resource_id: str) -> Response:
    """Replace a resource whose version If-Match names."""
    ehr, access = _ehr(request), _access(request)
    _must_know(ehr, resource_type)
    body = decode(await _json_body(request))
    if_match = request.headers.get("if-match")
    reference = f"{resource_type}/{resource_id}"
    written = write.update(ehr.store, ehr.base, reference, body, _Permit(access), if_match)
    return _written(request, ehr.base, written)


@router.post("")
async def transaction(request: Request) -> Response:
    """Carry out a transaction Bundle."""
    ehr, access = _ehr(request), _access(request)
    body = decode(await _json_body(request))
    return fhir_response(write.transaction(ehr.store, ehr.base, body, _Permit(access)))


class _Permit:
    """What a token may write (see ``write.Permit``)."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(self, resource_type: str, letter: Literal["c", "u"]) -> str | None:
        return _reach(self._access, resource_type, letter)


def _ehr(request: Request) -> ReferenceEhr:
    return request.app.state.ehr


def _access(request: Request) -> Access:
    return _ehr(request).authorization.bearer(request.headers.get("authorization"))


def _reach(access: Access, resource_type: str, letter: str) -> str | None:
    """Return ``Patient/id`` when the token reaches that patient only, None for all; else refuse."""
    found = reach(access.grants, resource_type, letter)
    if found == "patient" and resource_type == "Group":  # a Group names other patients
        found = None
    if found is None or (found == "patient" and access.patient is None):
        raise Refusal(403, "forbidden", "U-REF-SCOPE", "The token's scope does not cover this.")
    return f"Patient/{access.patient}" if found == "patient" else None


def _must_know(ehr: ReferenceEhr, resource_type: str) -> None:
    if resource_type not in discovery.served(ehr.dialect):
        raise not_found("resource type")


def _readable(request: Request, resource_type: str, resource_id: str) -> tuple[Version, ...]:
    ehr, access = _ehr(request), _access(request)
    _must_know(ehr, resource_type)
    only = _reach(access, resource_type, "r")
    versions = ehr.store.history(f"{resource_type}/{resource_id}")
    if not _open(versions[-1], only, ehr.base):
        raise not_found(resource_type)
    return versions


def _open(version: Version, only: str | None, base: str) -> bool:
    """Say whether a token for one patient reaches this: that patient's resources, and nobody's."""
    return only is None or patient_of(version.body, base) in (only, None)


def _search(request: Request, resource_type: str, query: Query) -> Response:
    ehr, access = _ehr(request), _access(request)
    _must_know(ehr, resource_type)
    only = _reach(access, resource_type, "s")
    strict = "handling=strict" in request.headers.get("prefer", "")
    found = search(ehr.store, ehr.base, resource_type, query, strict=strict)
    reached = Found(tuple(v for v in found.matches if _open(v, only, ehr.base)), found.understood)
    types = discovery.served(ehr.dialect)
    includable = [name for name in types if reach(access.grants, name, "s") or reach(access.grants, name, "r")]
    return fhir_response(bundle(ehr.store, ehr.base, resource_type, reached, includable, ehr.dialect))


def _export(request: Request, level: str) -> Response:
    """Begin an export, for clients that may read whole types only: one patient's token exports nothing."""
    ehr, access = _ehr(request), _access(request)
    if "respond-async" not in request.headers.get("prefer", ""):
        raise invalid("An export is asked for with Prefer: respond-async.")
    if reach(access.grants, "Patient", "r") != "all":
        raise Refusal(403, "forbidden", "U-REF-SCOPE", "The token's scope does not cover this.")
    query = parse_qsl(request.url.query, keep_blank_values=True)
    asked = f"{ehr.root}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
    served = discovery.served(ehr.dialect)

    def may(kind: str) -> bool:
        return kind in served and reach(access.grants, kind, "r") == "all"

    return Response(
        status_code=202, headers={"Content-Location": ehr.exports.begin(level, asked, query, access.client, may)}
    )


async def _json_body(request: Request) -> bytes:
    if "json" not in request.headers.get("content-type", ""):
        raise Refusal(415, "not-supported", "U-REF-FORMAT", "Send application/fhir+json.")
    return await request.body()


def _resource(version: Version) -> Response:
    return fhir_response(version.body, headers={"ETag": version.etag})


def _written(request: Request, base: str, written: write.Written) -> Response:
    version = written.version
    headers = {"ETag": version.etag, "Location": write.location(base, version)}
    if "return=minimal" in request.headers.get("prefer", ""):
        return Response(status_code=written.status, headers=headers)
    return fhir_response(version.body, written.status, headers)
