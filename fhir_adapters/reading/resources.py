"""One resource with care: brought to R4, read as its struct, mended where it does not fit, or refused by name.

Nothing here raises for a bad resource: it gives a Refusal, and the others are still read.
"""

import re
import string
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from fhir_adapters.canonical import Refusal
from fhir_adapters.fhir_versions import versions
from fhir_adapters.reading import modifiers, repairs, wire
from fhir_adapters.reading.opened import Entry
from fhir_adapters.reading.shapes import TYPES

_DECODERS = {kind: msgspec.json.Decoder(shape) for kind, shape in TYPES.items()}
# http://hl7.org/fhir/R4/datatypes.html#id, and the underscore that some systems write.
_LETTERS = (string.ascii_letters + string.digits + "._-").encode()
_LONGEST = 128
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_CODES: dict[type[wire.AnyResource], tuple[str, ...]] = {
    shape: tuple(name for name in ("status", "intent", "gender") if name in shape.__struct_fields__)
    for shape in TYPES.values()
}
WRONG = "entered-in-error"
# Elements of a Patient that are never worth losing the Patient for.
_LEFT_OUT: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Patient": ((), ("name",), ("identifier",), ("name", "identifier")),
}


class Read(NamedTuple):
    """A resource that was read, its ``Type/id`` (``Type/?`` without an id), and what was mended."""

    resource: wire.AnyResource
    reference: str
    repairs: tuple[str, ...]


class Refused(NamedTuple):
    """A resource that was not read. ``lost`` when it may hold something that the chart now lacks."""

    refusal: Refusal
    lost: bool = True


def fit(ids: Collection[str]) -> bool:
    """Tell whether all of these can be ids of resources."""
    letters = "".join(ids).encode("ascii", "replace").translate(None, _LETTERS)
    return not letters and "" not in ids and max(map(len, ids), default=0) <= _LONGEST


def reference_of(resource: wire.AnyResource) -> str:
    """Return ``Type/id``, ``Type/id#contained id``; ``Type/?`` for a resource without an id."""
    name = resource.id or "?"
    return name if "#" in name else f"{type(resource).__name__}/{name}"


def decode(entry: Entry, allowed: frozenset[str], preferred: versions.Version) -> Read | Refused:
    """Read one resource of a type that we touch.

    ``allowed`` are the repairs that may be made, ``preferred`` the version of a resource that tells none.
    """
    version = versions.version_of(entry.kind, entry.head, preferred)
    if version is None:
        element = versions.written_in(entry.kind, entry.head).element
        return Refused(Refusal(_written_reference(entry), element, "version-mixed"))
    return _read_r4(entry, allowed) if version == "R4" else _converted(entry, allowed, version)


def _read_r4(entry: Entry, allowed: frozenset[str]) -> Read | Refused:
    if entry.kind not in TYPES:
        return Refused(Refusal(_written_reference(entry), "resourceType", "unreadable"))
    try:
        resource = _DECODERS[entry.kind].decode(entry.raw)
    except msgspec.ValidationError:
        return _mended(entry, entry.kind, cast("dict[str, Any]", msgspec.json.decode(entry.raw)), allowed, frozenset())
    return finished(resource, entry.full_url, allowed)


def _converted(entry: Entry, allowed: frozenset[str], version: versions.Version) -> Read | Refused:
    value = versions.to_r4(msgspec.json.decode(entry.raw), version)
    kind = value.get("resourceType")
    if not isinstance(kind, str) or kind not in TYPES:
        return Refused(Refusal(_written_reference(entry), "resourceType", "unreadable"))
    return _mended(entry, kind, value, allowed, frozenset({f"from-{version.lower()}"}))


def _mended(
    entry: Entry, kind: str, value: dict[str, Any], allowed: frozenset[str], made: frozenset[str]
) -> Read | Refused:
    if modifier := modifiers.first(value, TYPES[kind]):
        return Refused(Refusal(_written_reference(entry), modifier, "modifier-extension"))
    mended, repaired = repairs.mend(value, TYPES[kind], allowed)
    elements = cast("dict[str, object]", mended)
    errors: list[msgspec.ValidationError] = []
    for left in _LEFT_OUT.get(kind, ((),)):
        dropped = frozenset(f"drop-{name}" for name in left)
        if not dropped <= allowed:
            continue
        kept = {name: held for name, held in elements.items() if name not in left}
        try:
            resource = _DECODERS[kind].decode(msgspec.json.encode(kept))
        except msgspec.ValidationError as error:
            errors.append(error)
        else:
            return finished(resource, entry.full_url, allowed, made | repaired | dropped)
    return Refused(Refusal(_written_reference(entry), _path(errors[0]), "unreadable"))


def finished(
    resource: wire.AnyResource, full_url: str | None, allowed: frozenset[str], made: frozenset[str] = frozenset()
) -> Read | Refused:
    """Return a decoded resource as read: with its id, trimmed; refused where it was never true."""
    if resource.id is None and full_url and "id-from-full-url" in allowed:
        resource = msgspec.structs.replace(resource, id=re.split("[/:]", full_url)[-1])
        made |= {"id-from-full-url"}
    if resource.id is not None and not fit((resource.id,)):
        return Refused(Refusal(f"{type(resource).__name__}/?", "id", "id-invalid"))
    resource, trimmed = _trimmed(resource) if "trim" in allowed else (resource, False)
    reference = reference_of(resource)
    path = wrong_path(resource)
    if path:
        return Refused(Refusal(reference, path, "status-entered-in-error"), lost=False)
    made = made | {"trim"} if trimmed else made
    return Read(resource, reference, tuple(sorted(made)) if made else ())


def _trimmed(resource: wire.AnyResource) -> tuple[wire.AnyResource, bool]:
    """Take blanks from around a status, an intent or a gender; ``coding`` does it for codes in concepts."""
    changes: dict[str, str] = {}
    for name in _CODES[type(resource)]:
        value = getattr(resource, name)
        if value and value != value.strip():
            changes[name] = value.strip()
    return (msgspec.structs.replace(resource, **changes), True) if changes else (resource, False)


def wrong_path(resource: wire.AnyResource) -> str:
    """Return the element that says that the resource was entered in error, empty where none does."""
    if isinstance(resource, wire.Patient):
        return ""
    if isinstance(resource, (wire.Condition, wire.AllergyIntolerance)):
        for coding in resource.verificationStatus.coding if resource.verificationStatus else ():
            if coding.code and coding.code.strip() == WRONG:
                return "verificationStatus"
        return ""
    return "status" if resource.status == WRONG else ""


def _written_reference(entry: Entry) -> str:
    """Return ``Type/id`` of a resource that is not read, if its id is fit to be shown."""
    try:
        name = msgspec.json.decode(entry.head["id"], type=str)
    except (msgspec.ValidationError, KeyError):
        name = "?"
    return f"{entry.kind}/{name if fit((name,)) else '?'}"


def _path(error: msgspec.ValidationError) -> str:
    found = _PLACE.search(str(error))
    return found.group(1) if found else ""
