"""One resource: read as its R4 struct, mended where it does not fit, or refused by name.

Nothing here raises for a bad resource: it gives a Refusal, and the others are still read.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec

from fhir_adapters import repairs, versions, wire
from fhir_adapters.canonical import Refusal
from fhir_adapters.envelope import Entry

_TYPES: dict[str, type[wire.AnyResource]] = {
    "Patient": wire.Patient,
    "Observation": wire.Observation,
    "Condition": wire.Condition,
    "Medication": wire.Medication,
    "MedicationRequest": wire.MedicationRequest,
    "MedicationStatement": wire.MedicationStatement,
    "MedicationDispense": wire.MedicationDispense,
    "MedicationAdministration": wire.MedicationAdministration,
    "AllergyIntolerance": wire.AllergyIntolerance,
    "QuestionnaireResponse": wire.QuestionnaireResponse,
    "FamilyMemberHistory": wire.FamilyMemberHistory,
    "DiagnosticReport": wire.DiagnosticReport,
    "Consent": wire.Consent,
}
_DECODERS = {kind: msgspec.json.Decoder(shape) for kind, shape in _TYPES.items()}
# http://hl7.org/fhir/R4/datatypes.html#id, and the underscore that some systems write.
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_CODES: dict[type[wire.AnyResource], tuple[str, ...]] = {
    shape: tuple(name for name in ("status", "intent", "gender") if name in shape.__struct_fields__)
    for shape in _TYPES.values()
}
_WRONG = "entered-in-error"


class Read(NamedTuple):
    """A resource that was read, its ``Type/id`` (``Type/?`` without an id), and what was mended."""

    resource: wire.AnyResource
    reference: str
    repairs: tuple[str, ...]


class Refused(NamedTuple):
    """A resource that was not read. ``lost`` when it may hold something that the chart now lacks."""

    refusal: Refusal
    lost: bool = True
    version: versions.Version = "R4"


def reference_of(resource: wire.AnyResource) -> str:
    """Return ``Type/id``; ``Type/?`` for a resource without an id."""
    return f"{type(resource).__name__}/{resource.id or '?'}"


def decode(entry: Entry, allowed: frozenset[str]) -> Read | Refused:
    """Read one resource of a type that we touch; ``allowed`` are the repairs that may be made."""
    written = versions.written_in(entry.kind, entry.head)
    if written.version not in versions.READ:
        refusal = Refusal(_written_reference(entry), written.element, f"version-{written.version.lower()}")
        return Refused(refusal, version=written.version)
    modifier = next(_modifiers(msgspec.json.decode(entry.raw), ""), "") if entry.modified else ""
    if modifier:
        return Refused(Refusal(_written_reference(entry), modifier, "modifier-extension"))
    try:
        resource, made = _DECODERS[entry.kind].decode(entry.raw), frozenset[str]()
    except msgspec.ValidationError:
        try:
            resource, made = _mended(entry, allowed)
        except msgspec.ValidationError as error:
            return Refused(Refusal(_written_reference(entry), _path(error), "unreadable"))
    return _finished(resource, entry, made, allowed)


def _mended(entry: Entry, allowed: frozenset[str]) -> tuple[wire.AnyResource, frozenset[str]]:
    value, made = repairs.mend(msgspec.json.decode(entry.raw), _TYPES[entry.kind], allowed)
    decoder = _DECODERS[entry.kind]
    try:
        return decoder.decode(msgspec.json.encode(value)), made
    except msgspec.ValidationError:
        if entry.kind != "Patient" or "drop-name" not in allowed:
            raise
    elements = {name: held for name, held in cast("dict[str, object]", value).items() if name != "name"}
    return decoder.decode(msgspec.json.encode(elements)), made | {"drop-name"}


def _finished(
    resource: wire.AnyResource, entry: Entry, made: frozenset[str], allowed: frozenset[str]
) -> Read | Refused:
    if resource.id is None and entry.full_url and "id-from-full-url" in allowed:
        resource = msgspec.structs.replace(resource, id=re.split("[/:]", entry.full_url)[-1])
        made |= {"id-from-full-url"}
    if resource.id is not None and not _ID.fullmatch(resource.id):
        return Refused(Refusal(f"{entry.kind}/?", "id", "id-invalid"))
    resource, trimmed = _trimmed(resource) if "trim" in allowed else (resource, False)
    reference = reference_of(resource)
    path = _wrong_path(resource)
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


def _wrong_path(resource: wire.AnyResource) -> str:
    if isinstance(resource, wire.Patient):
        return ""
    if isinstance(resource, (wire.Condition, wire.AllergyIntolerance)):
        status = resource.verificationStatus
        wrong = status is not None and any((coding.code or "").strip() == _WRONG for coding in status.coding)
        return "verificationStatus" if wrong else ""
    return "status" if resource.status == _WRONG else ""


def _written_reference(entry: Entry) -> str:
    """Return ``Type/id`` of a resource that is not read, if its id is fit to be shown."""
    try:
        name = msgspec.json.decode(entry.head["id"], type=str)
    except (msgspec.ValidationError, KeyError):
        name = "?"
    return f"{entry.kind}/{name if _ID.fullmatch(name) else '?'}"


def _path(error: msgspec.ValidationError) -> str:
    found = _PLACE.search(str(error))
    return found.group(1) if found else ""


def _modifiers(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of elements that change what their resource means and that we do not know.

    http://hl7.org/fhir/R4/extensibility.html#modifierExtension: whoever does not know one may not go on.
    """
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _modifiers(one, path)
    elif isinstance(value, dict):
        for name, held in cast("dict[str, Any]", value).items():
            inner = f"{path}.{name}" if path else name
            if name in ("modifierExtension", "implicitRules") and held:
                yield inner
            else:
                yield from _modifiers(held, inner)
