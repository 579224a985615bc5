"""``$prepare``, ``$sign`` and ``$reject``: FHIR Parameters in and out over ``service.drafts.decisions``.

A signature is over bytes that were shown: ``$prepare`` answers them, ``$sign`` names them by their digest.
"""

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.drafts import decisions
from service.drafts.store import Prepared
from service.errors import Forbidden
from service.fhir import parameters, records
from service.fhir.resources import collection, draft_resource, encode, entry
from service.smart import tokens
from service.smart.tokens import User

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(prefix="/fhir/MedicationRequest/{ident}")
_FHIR_JSON = "application/fhir+json"


@router.post("/$prepare")
async def prepare(ident: str, request: Request) -> Response:
    """Answer the exact bytes that a signature will be over, their digest, and what must be acknowledged."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    given = await parameters.read(request, services, {"order": "resource"})
    order = given["order"][0] if given["order"] else None
    prepared = await decisions.prepare(services, ident, user.practitioner, user.token, order)
    return _answer(_prepared(prepared))


@router.post("/$sign")
async def sign(ident: str, request: Request) -> Response:
    """Sign what was prepared and answer the order with its Provenance, byte for byte as stored."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    known = {"version": "valueInteger", "digest": "valueString", "acknowledgement": "valueString"}
    given = await parameters.read(request, services, {**known, "reason": "valueString"})
    if not given["version"] or not given["digest"]:
        raise parameters.bad("$sign needs version (valueInteger) and digest (valueString)")
    signature = await decisions.sign(
        services,
        ident,
        user.practitioner,
        user.token,
        version=given["version"][0],
        digest=given["digest"][0],
        acknowledgements=tuple(given["acknowledgement"]),
        reason=given["reason"][0] if given["reason"] else None,
    )
    found = [records.of_order(signature), records.of_provenance(signature)]
    public_url = services.settings.server.public_url
    return _answer(collection([entry(public_url, r.kind, r.head.id, r.resource) for r in found]))


@router.post("/$reject")
async def reject(ident: str, request: Request) -> Response:
    """Reject the draft and answer it as it stands."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    given = await parameters.read(
        request, services, {"version": "valueInteger", "reason": "valueCode|valueString", "comment": "valueString"}
    )
    draft = await decisions.reject(
        services,
        ident,
        user.practitioner,
        version=given["version"][0] if given["version"] else None,
        reason=given["reason"][0] if given["reason"] else None,
        comment=given["comment"][0] if given["comment"] else None,
    )
    return _answer(draft_resource(draft))


async def _user(request: Request, services: "Services", ident: str) -> User:
    """Return who acts on the draft; a launch for another patient does not reach it."""
    user = await tokens.user(request, services)
    draft = await decisions.own_draft(services, user.practitioner.ehr, ident)
    if user.patient is not None and user.patient != draft.patient:
        raise Forbidden("U-SESSION-PATIENT", "This session was opened for another patient: open the draft's chart.")
    return user


def _prepared(prepared: Prepared) -> dict[str, Any]:
    acknowledgements = [{"name": "acknowledgement", "valueString": text} for text in prepared.acknowledgements]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "version", "valueInteger": prepared.version},
            {"name": "digest", "valueString": prepared.digest},
            {"name": "bytes", "valueBase64Binary": base64.b64encode(prepared.order).decode()},
            *acknowledgements,
            {"name": "order", "resource": msgspec.Raw(prepared.order)},
        ],
    }


def _answer(resource: object) -> Response:
    return Response(encode(resource), media_type=_FHIR_JSON)
