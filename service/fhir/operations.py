"""``$prepare``, ``$sign`` and ``$reject``: FHIR Parameters in and out over ``service.drafts.decisions``.

A signature is over bytes that were shown: ``$prepare`` answers them, ``$sign`` names them by their digest.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_adapters import strict_json
from service import body
from service.drafts import decisions
from service.drafts.store import Prepared
from service.errors import BadRequest, Forbidden
from service.fhir import records
from service.fhir.resources import collection, draft_resource, encode, entry
from service.smart import tokens
from service.smart.tokens import User

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(prefix="/fhir/MedicationRequest/{ident}")
_FHIR_JSON = "application/fhir+json"


class _Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    valueInteger: int | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueCode: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    parameter: list[_Parameter] = []


@router.post("/$prepare")
async def prepare(ident: str, request: Request) -> Response:
    """Answer the exact bytes that a signature will be over, their digest, and what must be acknowledged."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    given = await _parameters(request, services, {"order": "resource"})
    order = given["order"][0] if given["order"] else None
    prepared = await decisions.prepare(services, ident, user.practitioner, user.token, order)
    return _answer(_prepared(prepared))


@router.post("/$sign")
async def sign(ident: str, request: Request) -> Response:
    """Sign what was prepared and answer the order with its Provenance, byte for byte as stored."""
    services: Services = request.app.state.services
    user = await _user(request, services, ident)
    known = {"version": "valueInteger", "digest": "valueString", "acknowledgement": "valueString"}
    given = await _parameters(request, services, {**known, "reason": "valueString"})
    if not given["version"] or not given["digest"]:
        raise _bad("$sign needs version (valueInteger) and digest (valueString)")
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
    given = await _parameters(
        request, services, {"version": "valueInteger", "reason": "valueCode", "comment": "valueString"}
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


async def _parameters(request: Request, services: "Services", known: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the values by name, empty lists for those not given; BadRequest U-FHIR-PARAMETERS."""
    parameters = _read(await _body(request, services))
    found: dict[str, list[Any]] = {name: [] for name in known}
    for parameter in parameters:
        if parameter.name not in known:
            raise _bad(f"the operation takes {', '.join(sorted(known))}")
        found[parameter.name].append(_value(parameter, known[parameter.name]))
    repeated = [name for name, values in found.items() if len(values) > 1 and name != "acknowledgement"]
    if repeated:
        raise _bad(f"{repeated[0]} is given more than once")
    return found


async def _body(request: Request, services: "Services") -> bytes:
    raw = await request.body()
    if raw:
        body.check_type(request.headers.get("content-type", ""))
        strict_json.check(raw, max_bytes=services.settings.server.body_limit_bytes)
    return raw


def _read(raw: bytes) -> Sequence[_Parameter]:
    if not raw:
        return ()
    try:
        parameters = msgspec.json.decode(raw, type=_Parameters)
    except msgspec.ValidationError as error:
        raise _bad("the body is a Parameters resource with the value types that metadata names") from error
    if parameters.resourceType != "Parameters":
        raise _bad("the body is a Parameters resource")
    return parameters.parameter


def _value(parameter: _Parameter, element: str) -> Any:
    given = {
        "valueInteger": parameter.valueInteger,
        "valueString": parameter.valueString,
        "valueCode": parameter.valueCode,
        "resource": bytes(parameter.resource) or None,
    }
    present = {name: value for name, value in given.items() if value is not None}
    # A reason is a code or, where the site has none, a text.
    taken = (element, "valueString") if element == "valueCode" else (element,)
    if len(present) != 1 or next(iter(present)) not in taken:
        raise _bad(f"{parameter.name} takes {' or '.join(taken)}")
    return next(iter(present.values()))


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


def _bad(what: str) -> BadRequest:
    return BadRequest("U-FHIR-PARAMETERS", f"The parameters cannot be used: {what}.")
