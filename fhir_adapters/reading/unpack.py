"""Envelopes unpacked one entry at a time: what of them can be read quickly still is, the rest is left unread."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from fhir_adapters.reading import quick
from fhir_adapters.reading.opened import MATCHES, SEARCHES, Entry, Opened, count, is_next, is_wrong
from fhir_adapters.reading.quick import Batch
from fhir_adapters.reading.shapes import Bundle, Link, Outcome, Place, Root

_ENVELOPES = frozenset({"Bundle", "Parameters"})


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class _Held(msgspec.Struct, gc=False):
    """Bundle.entry with its resource unread."""

    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()
    search: _Search | None = None


class _Bundle(msgspec.Struct):
    type: str | None = None
    total: int | None = None
    link: tuple[Link, ...] = ()
    entry: tuple[_Held, ...] = ()


class _Parameter(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    part: tuple["_Parameter", ...] = ()


class _Parameters(msgspec.Struct):
    parameter: tuple[_Parameter, ...] = ()


class _Look(NamedTuple):
    """One entry after a first look: read quickly (``found``), or its type and elements."""

    held: _Held
    kind: str
    found: Root | None
    head: Mapping[str, msgspec.Raw]


_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BUNDLE = msgspec.json.Decoder(_Bundle)
_PARAMETERS = msgspec.json.Decoder(_Parameters)
_OUTCOME = msgspec.json.Decoder(Outcome)
_NAME = msgspec.json.Decoder(str)
_NO_HEAD: Mapping[str, msgspec.Raw] = {}


def unpack(raw: bytes, opened: Opened, *, quickly: bool) -> None:
    """Add what one value holds; with ``quickly`` its entries are tried quickly first."""
    kind, head = _head(raw)
    if kind in _ENVELOPES:
        _open_bundle(_bundle(kind, raw), opened, quickly, incomplete=False)
    elif kind == "OperationOutcome":
        opened.outcome = True
        opened.failed = _says_wrong(raw, opened) or opened.failed
    elif kind:
        opened.entries.append(Entry(kind, raw, head))
    else:
        opened.untyped += 1


def _head(raw: bytes | msgspec.Raw) -> tuple[str, dict[str, msgspec.Raw]]:
    """Return the resource type, empty for none, and the elements."""
    try:
        head = _HEAD.decode(raw)
        return _NAME.decode(head["resourceType"]), head
    except (msgspec.ValidationError, KeyError):
        return "", {}


def _open_bundle(bundle: _Bundle, opened: Opened, quickly: bool, *, incomplete: bool) -> None:
    count(opened, len(bundle.entry))
    looks = [_look(held, quickly) for held in bundle.entry if len(held.resource)]
    kinds = Counter(one.kind for one in looks if one.held.search is None or one.held.search.mode in MATCHES)
    outcomes = [_says_wrong(one.held.resource, opened) for one in looks if one.kind == "OperationOutcome"]
    incomplete = (
        incomplete
        or bundle.type == "message"
        or any(is_next(link.relation) for link in bundle.link)
        or (bundle.type in SEARCHES and not 0 <= (bundle.total or 0) <= kinds.total() - kinds["OperationOutcome"])
        or (bundle.type in SEARCHES and len(looks) < len(bundle.entry))
        or any(outcomes)
    )
    opened.incomplete = opened.incomplete or incomplete
    places = [Place(one.held.fullUrl, cast("Any", one.found)) for one in looks if one.found is not None]
    if places:
        opened.batches.append(Batch(quick.by_type([one.resource for one in places]) or {}, places, incomplete))
    for one in looks:
        if one.kind in _ENVELOPES:
            nested = _bundle(one.kind, bytes(one.held.resource))
            _open_bundle(nested, opened, quickly, incomplete=incomplete)
        elif not one.kind:
            opened.untyped += 1
        elif one.found is None and one.kind != "OperationOutcome":
            raw = bytes(one.held.resource)
            opened.entries.append(Entry(one.kind, raw, one.head, one.held.fullUrl, incomplete))


def _look(held: _Held, quickly: bool) -> _Look:
    found = quick.decode(bytes(held.resource)) if quickly else None
    if found is not None and not isinstance(found, (Bundle, Outcome)):
        return _Look(held, type(found).__name__, found, _NO_HEAD)
    kind, head = _head(held.resource)
    return _Look(held, kind, None, head)


def _bundle(kind: str, raw: bytes) -> _Bundle:
    try:
        return _BUNDLE.decode(raw) if kind == "Bundle" else _wrapped(_PARAMETERS.decode(raw))
    except msgspec.ValidationError:
        return _loose_bundle(cast("dict[str, Any]", msgspec.json.decode(raw)), "entry" if kind == "Bundle" else "")


def _wrapped(parameters: _Parameters) -> _Bundle:
    """http://hl7.org/fhir/R4/parameters.html: operations answer with resources in parameters and their parts."""
    return _Bundle(entry=tuple(_Held(resource=one) for one in _resources(parameters.parameter)))


def _resources(parts: Sequence[_Parameter]) -> Iterator[msgspec.Raw]:
    for part in parts:
        if len(part.resource):
            yield part.resource
        yield from _resources(part.part)


def _loose_bundle(bundle: dict[str, Any], entries: str) -> _Bundle:
    """Read a Bundle whose envelope is malformed: its resources are kept, the rest of it is left."""
    places = [
        _Held(
            fullUrl=entry["fullUrl"] if isinstance(entry.get("fullUrl"), str) else None,
            resource=msgspec.Raw(msgspec.json.encode(entry["resource"])),
        )
        for entry in _objects(bundle.get(entries))
        if "resource" in entry
    ]
    # What it says of itself is in doubt, so there may be more, of any list where nothing could be opened.
    doubt = () if entries else (_Held(resource=msgspec.Raw(b"null")),)
    return _Bundle(link=(Link("next"),), entry=(*places, *doubt))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    entries = cast("list[Any]", value) if isinstance(value, list) else [value]
    return (cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict))


def _says_wrong(raw: bytes | msgspec.Raw, opened: Opened) -> bool:
    try:
        return is_wrong(_OUTCOME.decode(raw), opened)
    except msgspec.ValidationError:
        return True
