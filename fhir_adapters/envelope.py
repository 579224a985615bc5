"""What resources come in: Bundle, JSON list, NDJSON or alone; opened here, the resources left unread."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec

from fhir_adapters import strict_json
from fhir_adapters.errors import InputError

MAX_ENTRIES = 2000
_MATCHES = (None, "match")  # of Bundle.entry.search.mode: what the search was for, not what it included
_HARMLESS = frozenset({"information", "success"})
# http://hl7.org/fhir/R4/valueset-issue-type.html: content may be held back, however mild the severity.
_HELD_BACK = frozenset({"suppressed", "incomplete"})


class Entry(NamedTuple):
    """One resource, unread.

    ``incomplete`` when the Bundle that it came in says that more exists; ``modified`` when the input holds
    the word ``modifierExtension`` or ``implicitRules`` anywhere.
    """

    kind: str
    raw: bytes | msgspec.Raw
    head: Mapping[str, msgspec.Raw]
    full_url: str | None
    incomplete: bool
    modified: bool


@dataclass(slots=True)
class Opened:
    """What was in the envelope; ``untyped`` counts entries that name no resource type."""

    entries: list[Entry] = field(default_factory=list[Entry])
    incomplete: bool = False
    outcome: bool = False  # an OperationOutcome stands in place of the content
    failed: bool = False  # and it says that something is wrong
    untyped: int = 0
    places: int = 0
    modified: bool = False


class _Link(msgspec.Struct, gc=False):
    relation: str | None = None


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class _Place(msgspec.Struct, gc=False):
    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()
    search: _Search | None = None


class _Bundle(msgspec.Struct):
    type: str | None = None
    total: int | None = None
    link: list[_Link] = []
    entry: list[_Place] = []


class _Issue(msgspec.Struct, gc=False):
    severity: str = ""
    code: str = ""


class _Outcome(msgspec.Struct):
    issue: list[_Issue] = []


_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_BUNDLE = msgspec.json.Decoder(_Bundle)
_OUTCOME = msgspec.json.Decoder(_Outcome)
_NAME = msgspec.json.Decoder(str)


def open_file(raw: bytes) -> Opened:
    """Return what a file holds; InputError U-JSON-…, U-FHIR-TYPE, U-FHIR-ENTRIES."""
    opened = Opened(modified=_modified(raw))
    for document in _documents(raw):
        strict_json.check(document)
        for one in _LIST.decode(document) if document.lstrip().startswith(b"[") else (document,):
            _count(opened, 1)
            _open(one, opened)
    if not opened.entries:
        raise InputError("U-FHIR-TYPE", "no FHIR resource in the input; send a Bundle, a resource, a list or NDJSON")
    return opened


def open_value(raw: bytes, *, checked: bool) -> Opened | None:
    """Return what a prefetch value holds, None for null; InputError U-JSON-…, U-FHIR-TYPE, U-FHIR-ENTRIES."""
    if not checked:
        strict_json.check(raw)
    if raw.strip() == b"null":
        return None
    opened = Opened(modified=_modified(raw))
    _open(raw, opened)
    if opened.untyped and not opened.places:
        raise InputError("U-FHIR-TYPE", "a prefetch value is no FHIR resource; send a resource or a searchset Bundle")
    return opened


def _modified(raw: bytes) -> bool:
    """Tell whether the bytes may hold a modifier; a name may also be written with ``\\u`` escapes."""
    return b"modifierExtension" in raw or b"implicitRules" in raw or (b"\\" in raw and b"\\u" in raw)


def _documents(raw: bytes) -> Sequence[bytes]:
    """Return the lines of NDJSON, or the whole: NDJSON starts with a line that is an object by itself."""
    lines = [line for line in raw.splitlines() if line.strip()] if raw.lstrip().startswith(b"{") else []
    if len(lines) < 2 or not lines[0].rstrip().endswith(b"}"):
        return (raw,)
    try:
        msgspec.json.decode(lines[0])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return (raw,)
    return lines


def _count(opened: Opened, places: int) -> None:
    opened.places += places
    if opened.places > MAX_ENTRIES:
        raise InputError("U-FHIR-ENTRIES", f"more than {MAX_ENTRIES} entries; send one patient's current data only")


def _head(raw: bytes | msgspec.Raw) -> tuple[str, dict[str, msgspec.Raw]]:
    """Return the resource type, empty for none, and the elements."""
    try:
        head = _HEAD.decode(raw)
        return _NAME.decode(head["resourceType"]), head
    except (msgspec.ValidationError, KeyError):
        return "", {}


def _open(raw: bytes | msgspec.Raw, opened: Opened) -> None:
    kind, head = _head(raw)
    if kind == "Bundle":
        _open_bundle(raw, opened, incomplete=False)
    elif kind == "OperationOutcome":
        opened.outcome = True
        opened.failed = opened.failed or _says_wrong(raw)
    elif kind:
        opened.entries.append(Entry(kind, raw, head, None, incomplete=False, modified=opened.modified))
    else:
        opened.untyped += 1


def _open_bundle(raw: bytes | msgspec.Raw, opened: Opened, *, incomplete: bool) -> None:
    bundle = _bundle(raw)
    _count(opened, len(bundle.entry))
    held = [(place, *_head(place.resource)) for place in bundle.entry if len(place.resource)]
    kinds = Counter(kind for place, kind, _ in held if place.search is None or place.search.mode in _MATCHES)
    incomplete = (
        incomplete
        or any(link.relation == "next" for link in bundle.link)
        or (bundle.type == "searchset" and (bundle.total or 0) > kinds.total() - kinds["OperationOutcome"])
        or any(_says_wrong(place.resource) for place, kind, _ in held if kind == "OperationOutcome")
    )
    opened.incomplete = opened.incomplete or incomplete
    for place, kind, head in held:
        if kind == "Bundle":
            _open_bundle(place.resource, opened, incomplete=incomplete)
        elif not kind:
            opened.untyped += 1
        elif kind != "OperationOutcome":
            opened.entries.append(Entry(kind, place.resource, head, place.fullUrl, incomplete, opened.modified))


def _bundle(raw: bytes | msgspec.Raw) -> _Bundle:
    try:
        return _BUNDLE.decode(raw)
    except msgspec.ValidationError:
        return _loose_bundle(cast("dict[str, Any]", msgspec.json.decode(raw)))


def _loose_bundle(bundle: dict[str, Any]) -> _Bundle:
    """Read a Bundle whose envelope is malformed: its resources are kept, the rest of it is left."""
    places = [
        _Place(
            fullUrl=entry["fullUrl"] if isinstance(entry.get("fullUrl"), str) else None,
            resource=msgspec.Raw(msgspec.json.encode(entry["resource"])),
        )
        for entry in _objects(bundle.get("entry"))
        if "resource" in entry
    ]
    # Its links and total are in doubt, so there may be more.
    return _Bundle(link=[_Link("next")], entry=places)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    entries = cast("list[Any]", value) if isinstance(value, list) else [value]
    return (cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict))


def _says_wrong(raw: bytes | msgspec.Raw) -> bool:
    """True unless all issues are mere information."""
    try:
        issues = _OUTCOME.decode(raw).issue
    except msgspec.ValidationError:
        return True
    return any(issue.severity not in _HARMLESS or issue.code in _HELD_BACK for issue in issues)
