"""What resources come in: Bundle, Parameters, JSON list, NDJSON or alone; opened here.

Each value is first decoded whole (``quick``). Where that does not do, it is unpacked entry by entry (``unpack``).
"""

import re
from collections.abc import Sequence
from typing import cast

import msgspec

from fhir_adapters.errors import InputError
from fhir_adapters.reading import quick, strict_json
from fhir_adapters.reading.opened import MATCHES, MAX_ENTRIES, SEARCHES, Opened, count, is_next, is_wrong
from fhir_adapters.reading.quick import Batch
from fhir_adapters.reading.shapes import Bundle, Outcome, Place, Root
from fhir_adapters.reading.unpack import unpack

# Up to the first line break that something follows.
_FIRST_LINE = re.compile(rb"\s*(\{[^\r\n]*\S)[^\S\r\n]*[\r\n]\s*\S")
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def open_file(
    raw: bytes,
    *,
    checked: bool = False,
    quickly: bool = True,
    limit: int = MAX_ENTRIES,
    notices: frozenset[str] = frozenset(),
) -> Opened:
    """Return what a file of at most ``limit`` entries holds; InputError U-JSON-…, U-FHIR-TYPE, U-FHIR-ENTRIES."""
    lined = _is_lines(raw)
    if not checked:
        strict_json.check_lines(_lines(raw)) if lined else strict_json.check(raw)
    try:
        opened = (_open_lines if lined else _open_whole)(raw, quickly, limit, notices)
    except msgspec.DecodeError:
        raise InputError("U-JSON-SYNTAX", "not JSON; is the input whole?") from None
    if not opened.count():
        raise InputError("U-FHIR-TYPE", "no FHIR resource in the input; send a Bundle, a resource, a list or NDJSON")
    return opened


def open_value(
    raw: bytes, *, checked: bool, quickly: bool = True, notices: frozenset[str] = frozenset()
) -> Opened | None:
    """Return what a prefetch value holds, None for null; InputError U-JSON-…, U-FHIR-TYPE, U-FHIR-ENTRIES."""
    if not checked:
        strict_json.check(raw)
    if raw.strip() == b"null":
        return None
    opened = Opened(notices=notices)
    try:
        _open(raw, opened, quickly)
    except msgspec.DecodeError:
        raise InputError("U-JSON-SYNTAX", "not JSON; is the input whole?") from None
    if opened.untyped and not opened.places:
        raise InputError("U-FHIR-TYPE", "a prefetch value is no FHIR resource; send a resource or a searchset Bundle")
    return opened


def _is_lines(raw: bytes) -> bool:
    """Tell NDJSON from other JSON: its first line is an object by itself, and another follows."""
    first = _FIRST_LINE.match(raw)
    if first is None or not first[1].endswith(b"}"):
        return False
    try:
        msgspec.json.decode(first[1])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _lines(raw: bytes) -> list[bytes]:
    return [line for line in raw.splitlines() if line.strip()]


def _open_lines(raw: bytes, quickly: bool, limit: int, notices: frozenset[str]) -> Opened:
    opened = Opened(limit=limit, notices=notices)
    found = quick.decode_lines(raw) if quickly else None
    if found is not None:
        count(opened, len(found))
        if _take_all(found, opened):
            return opened
    opened = Opened(limit=limit, notices=notices)
    _open_all(_lines(raw), opened, quickly)
    return opened


def _open_whole(raw: bytes, quickly: bool, limit: int, notices: frozenset[str]) -> Opened:
    opened = Opened(limit=limit, notices=notices)
    _open_all(_LIST.decode(raw) if raw.lstrip().startswith(b"[") else (raw,), opened, quickly)
    return opened


def _open_all(values: Sequence[bytes | msgspec.Raw], opened: Opened, quickly: bool) -> None:
    count(opened, len(values))
    for value in values:
        _open(bytes(value), opened, quickly)


def _open(raw: bytes, opened: Opened, quickly: bool) -> None:
    found = quick.decode(raw) if quickly else None
    if type(found) is Bundle:
        if _take_bundle(found, opened, incomplete=False):
            return
    elif found is not None and _take_all((found,), opened):
        return
    unpack(raw, opened, quickly=quickly)


def _take_all(found: Sequence[Root], opened: Opened) -> bool:
    """Add what stands alone, and what stands in Bundles; False when something must be read with care."""
    groups = quick.by_type(found)
    if groups is None:
        return False
    for one in cast("Sequence[Outcome]", groups.pop(Outcome, ())):
        opened.outcome = True
        opened.failed = is_wrong(one, opened) or opened.failed
    bundles = cast("Sequence[Bundle]", groups.pop(Bundle, ()))
    if groups:
        opened.batches.append(Batch(groups))
    return all(_take_bundle(one, opened, incomplete=False) for one in bundles)


def _take_bundle(bundle: Bundle, opened: Opened, *, incomplete: bool) -> bool:
    places: Sequence[Place] = bundle.entry
    groups = quick.by_type([place.resource for place in places])
    if groups is None:
        return False
    count(opened, len(places))
    if Outcome in groups or msgspec.UnsetType in groups:
        outcomes = cast("Sequence[Outcome]", groups.pop(Outcome, ()))
        wrong = [is_wrong(one, opened) for one in outcomes]  # each is looked at: its notices are kept in mind
        # A search answers with resources: an entry without one was meant to hold it.
        hollow = groups.pop(msgspec.UnsetType, ())
        incomplete = any(wrong) or (bundle.type in SEARCHES and bool(hollow)) or incomplete
        places = [place for place in places if type(place.resource) in groups]
    incomplete = incomplete or _says_more(bundle, places)
    opened.incomplete = opened.incomplete or incomplete
    opened.batches.append(Batch(groups, places, incomplete))
    return True


def _says_more(bundle: Bundle, places: Sequence[Place]) -> bool:
    """Tell whether there is a next page, or fewer matches than there are in all; a message tells of one event only."""
    if bundle.type == "message":
        return True
    for link in bundle.link:
        if is_next(link.relation):
            return True
    if bundle.type not in SEARCHES or not bundle.total:
        return False
    included = [place for place in places if place.search is not None and place.search.mode not in MATCHES]
    return not 0 <= bundle.total <= len(places) - len(included)
