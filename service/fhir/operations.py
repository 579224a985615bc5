"""``$prepare``, ``$sign``, ``$verify``, ``$reject``, ``$revoke`` and ``$refer``: what a practitioner does with a draft.

A signature is over bytes that were shown: ``$prepare`` answers them, ``$sign`` names them by their digest.
"""

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.drafts.decision import decisions, referring, revoking
from service.drafts.records import Draft, Prepared
from service.drafts.signature import keys
from service.drafts.trail import access
from service.drafts.trail.access import Asked
from service.ehr import hindsight
from service.errors import NotFound
from service.fhir import parameters, proofs, reach, records
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
    looked = {"shown": "valueCode", "dwell": "valueInteger"}
    given = await parameters.read(request, services, {**known, "reason": "valueString", **looked})
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
        seen=decisions.Seen(tuple(given["shown"]), given["dwell"][0] if given["dwell"] else None),
    )
    found = [records.of_order(signature), records.of_provenance(signature)]
    public_url = services.settings.server.public_url
    return _answer(collection([entry(public_url, r.kind, r.head.id, r.resource) for r in found]))


@router.get("/$verify")
async def verify(ident: str, request: Request) -> Response:
    """Answer what can be proved of a draft's signature or rejection (by the id of draft or order), check by check."""
    services: Services = request.app.state.services
    user = await tokens.user(request, services)
    draft = await _reached(services, user, await _draft_of(services, user.practitioner.ehr, ident), "$verify")
    await access.enter(services, user, draft.patient, _asked(draft, "$verify"))

    async def token() -> str:
        return user.token

    jwks = keys.known(services.settings.sign, services.signer)
    found = await hindsight.prove(services.store, draft, jwks, services.clients[draft.ehr], token)
    return _answer(proofs.parameters_of(found))


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


@router.post("/$revoke")
async def revoke(ident: str, request: Request) -> Response:
    """Take a signature back while nothing of the order is in the EHR, and answer the draft as it stands."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    given = await parameters.read(request, services, {"reason": "valueCode|valueString", "comment": "valueString"})
    draft = await revoking.revoke(
        services,
        ident,
        user.practitioner,
        user.token,
        reason=given["reason"][0] if given["reason"] else None,
        comment=given["comment"][0] if given["comment"] else None,
    )
    return _answer(draft_resource(draft))


@router.post("/$refer")
async def refer(ident: str, request: Request) -> Response:
    """Answer the draft of a referral to a psychiatrist for the draft's patient; the draft stays as it is."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    await parameters.read(request, services, {})
    raw = await referring.refer(services, ident, user.practitioner, user.token)
    return _answer(msgspec.Raw(raw))


async def _user(request: Request, services: "Services", ident: str) -> User:
    """Return who acts on the draft: a user to whom the EHR gives its patient, in no launch for another one.

    A refusal is recorded as an access; what is done has an entry of the draft's own chain.
    """
    user = await tokens.user(request, services)
    await _reached(services, user, ident, request.url.path.rpartition("/")[2])
    return user


async def _reached(services: "Services", user: User, ident: str, operation: str) -> Draft:
    draft = await decisions.own_draft(services, user.practitioner.ehr, ident)
    await reach.patient(services, user, draft.patient, _asked(draft, operation))
    return draft


def _asked(draft: Draft, operation: str) -> Asked:
    return Asked(f"MedicationRequest/{draft.id}", "operation", name=operation)


async def _draft_of(services: "Services", ehr: str, ident: str) -> str:
    """Return the id of the draft that an id names, itself or by its signed order's."""
    try:
        return (await decisions.own_draft(services, ehr, ident)).id
    except NotFound:
        return (await records.signature(services, ehr, ident)).draft


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
