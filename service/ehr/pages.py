"""What a searchset says of itself: whether there is more of it, and several pages as one."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from fhir_adapters.reading.opened import MATCHES, Opened, is_next, is_wrong
from fhir_adapters.reading.shapes import Outcome
from service.errors import EhrFailed

_NESTED: Final = frozenset({"Bundle", "OperationOutcome"})  # entries that say something of the list itself
_NONE: Final[frozenset[str]] = frozenset()


class _Typed(msgspec.Struct):
    resourceType: str  # noqa: N815


class _Link(msgspec.Struct):
    relation: str | None = None


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    resource: _Typed
    search: _Search | None = None


class _Page(msgspec.Struct):
    type: str | None = None
    link: list[_Link] = []
    total: int | float | None = None
    entry: list[_Entry] = []


class _Part(msgspec.Struct):
    total: int | float | None = None
    entry: list[msgspec.Raw] = []


class _Held(msgspec.Struct):
    resource: msgspec.Raw


def resource_type(value: bytes) -> str | None:
    """Return the type that a resource says of itself, None for what says none."""
    try:
        return msgspec.json.decode(value, type=_Typed).resourceType
    except msgspec.ValidationError:
        return None


def in_part(value: bytes, notices: frozenset[str] = _NONE) -> bool:
    """Say whether a value is a Bundle of which there is more, or of which something cannot be read at all.

    There is more where it has a next page, a total above its matches, or an OperationOutcome that says so; ``notices``
    are codes that the EHR puts behind every answer. Where that cannot be told (a link that is no list, a total that is
    no number, an entry without a resource), nobody knows that it is all there is.
    """
    if resource_type(value) != "Bundle":
        return False
    try:
        page = msgspec.json.decode(value, type=_Page)
    except msgspec.ValidationError:
        return True
    kinds = [entry.resource.resourceType for entry in page.entry]
    matches = [entry for entry, kind in zip(page.entry, kinds, strict=True) if _is_match(entry, kind)]
    total = page.total or 0
    return (
        page.type == "message"
        or any(is_next(link.relation) for link in page.link)
        or not 0 <= total <= len(matches)
        or (not _NESTED.isdisjoint(kinds) and any(_says_so(raw, notices) for raw in _resources(value)))
    )


def merged(pages: Sequence[bytes]) -> bytes:
    """Return pages as one searchset with the total that they tell; EhrFailed U-EHR-ANSWER for one that is no Bundle."""
    if len(pages) == 1:
        return pages[0]
    try:
        parts = [msgspec.json.decode(page, type=_Part) for page in pages]
    except msgspec.DecodeError as error:
        raise EhrFailed("U-EHR-ANSWER", "a page of the EHR's answer is no Bundle") from error
    whole: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total := max(part.total or 0 for part in parts):
        whole["total"] = total
    return msgspec.json.encode(whole | {"entry": [entry for part in parts for entry in part.entry]})


def _is_match(entry: _Entry, kind: str) -> bool:
    mode = entry.search.mode if entry.search else None
    return mode in MATCHES and kind != "OperationOutcome"


def _resources(value: bytes) -> Iterable[bytes]:
    held = msgspec.json.decode(msgspec.json.decode(value, type=dict[str, msgspec.Raw])["entry"], type=list[_Held])
    return (bytes(one.resource) for one in held)


def _says_so(raw: bytes, notices: frozenset[str]) -> bool:
    if resource_type(raw) == "Bundle":
        return in_part(raw, notices)
    if resource_type(raw) != "OperationOutcome":
        return False
    try:
        return is_wrong(msgspec.json.decode(raw, type=Outcome), Opened(notices=notices))
    except msgspec.ValidationError:
        return True
