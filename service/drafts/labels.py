"""The security labels of a stored resource that whatever is said of it carries too."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_OWN: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


class _Meta(msgspec.Struct, frozen=True):
    security: list[dict[str, str]] = []


class _Labelled(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


def inherited(resource: bytes) -> tuple[dict[str, str], ...]:
    """Return the labels of a stored resource, without those that say who asserted it (AIAST, CLINAST)."""
    found = msgspec.json.decode(resource, type=_Labelled).meta.security
    return tuple(one for one in found if one.get("system") != _OWN)


def meta(labels: tuple[dict[str, str], ...], **more: Any) -> Mapping[str, Any]:
    """Return the element ``meta`` with labels, empty where there is nothing to say."""
    held = {**more, **({"security": [dict(one) for one in labels]} if labels else {})}
    return {"meta": held} if held else {}
