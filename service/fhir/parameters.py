"""The Parameters resource that an operation takes: known names, one value each, of the type that is named."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import Request

from fhir_adapters.reading import strict_json
from service import body
from service.errors import BadRequest

if TYPE_CHECKING:
    from service.bootstrap import Services

_REPEATED = frozenset({"acknowledgement", "shown"})


class _Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    valueInteger: int | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueCode: str | None = None  # noqa: N815
    valueDate: str | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    parameter: list[_Parameter] = []


async def read(request: Request, services: "Services", known: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the values by name, empty lists for those not given; BadRequest U-FHIR-PARAMETERS.

    ``known`` maps a name to the elements that may hold its value, separated by ``|``.
    """
    found: dict[str, list[Any]] = {name: [] for name in known}
    for parameter in _decoded(await _body(request, services)):
        if parameter.name not in known:
            raise bad(f"the operation takes {', '.join(sorted(known)) or 'none'}")
        found[parameter.name].append(_value(parameter, known[parameter.name].split("|")))
    repeated = [name for name, values in found.items() if len(values) > 1 and name not in _REPEATED]
    if repeated:
        raise bad(f"{repeated[0]} is given more than once")
    return found


def bad(what: str) -> BadRequest:
    """Return the refusal of parameters that cannot be used."""
    return BadRequest("U-FHIR-PARAMETERS", f"The parameters cannot be used: {what}.")


async def _body(request: Request, services: "Services") -> bytes:
    raw = await request.body()
    if raw:
        body.check_head(request)
        strict_json.check(raw, max_bytes=services.settings.server.body_limit_bytes)
    return raw


def _decoded(raw: bytes) -> Sequence[_Parameter]:
    if not raw:
        return ()
    try:
        parameters = msgspec.json.decode(raw, type=_Parameters)
    except msgspec.ValidationError as error:
        raise bad("the body is a Parameters resource with the value types that metadata names") from error
    if parameters.resourceType != "Parameters":
        raise bad("the body is a Parameters resource")
    return parameters.parameter


def _value(parameter: _Parameter, elements: Sequence[str]) -> Any:
    given: dict[str, Any] = {
        "valueInteger": parameter.valueInteger,
        "valueString": parameter.valueString,
        "valueCode": parameter.valueCode,
        "valueDate": parameter.valueDate,
        "valueDateTime": parameter.valueDateTime,
        "resource": bytes(parameter.resource) or None,
    }
    present = {name: value for name, value in given.items() if value is not None}
    if len(present) != 1 or next(iter(present)) not in elements:
        raise bad(f"{parameter.name} takes {' or '.join(elements)}")
    return next(iter(present.values()))
