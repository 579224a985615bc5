"""Patients who stand in an export more than once, looked for before anything is read: adapters join what is alike."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fhir_adapters.reading import population
from recommender.errors import ModelError

_NAMED = b'"Patient"'  # no Patient is without it, and few other lines have it
_NDJSON = ".ndjson"


class _Identifier(msgspec.Struct):
    system: str | None = None
    value: str | None = None


class _Resource(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    id: str | None = None
    identifier: msgspec.Raw = msgspec.Raw(b"[]")
    entry: "list[_Entry]" = msgspec.field(default_factory=list["_Entry"])


class _Entry(msgspec.Struct):
    resource: _Resource | None = None


_RESOURCE = msgspec.json.Decoder(_Resource)
_RESOURCES = msgspec.json.Decoder(list[_Resource])
_IDENTIFIERS = msgspec.json.Decoder(list[_Identifier])


def check(export: Path) -> None:
    """Pass an export in which no Patient id stands twice, and no two Patients have one identifier.

    ``export`` is a folder as ``population.charts`` reads it. ModelError U-SITE-DUPLICATE names the first file; files
    that cannot be read are left to the reader.
    """
    seen: set[tuple[str, ...]] = set()
    twice: list[str] = []
    for path in (path for _, files in population.folders([export]) for path in files):
        for patient in _patients(path):
            names = _names(patient)
            if names & seen:
                twice.append(path.name)
            seen |= names
    if twice:
        raise ModelError(
            "U-SITE-DUPLICATE",
            f"{len(twice)} Patients stand in the export again, by their id or by an identifier of another, first in"
            f" {twice[0]}: export each patient once, merge the records of one person, and leave out an identifier"
            " that several people share.",
        )


def _patients(path: Path) -> Iterator[_Resource]:
    try:
        raw = path.read_bytes()
    except OSError:
        return
    if _NAMED not in raw:
        return
    texts = raw.splitlines() if path.suffix == _NDJSON else [raw]
    for text in texts:
        if _NAMED in text:
            yield from (one for one in _resources(text) if one.resourceType == "Patient")


def _resources(text: bytes) -> Iterator[_Resource]:
    """Yield the resources of one JSON text, those in a Bundle's entries too."""
    try:
        found = _RESOURCES.decode(text) if text.lstrip().startswith(b"[") else [_RESOURCE.decode(text)]
    except msgspec.DecodeError:
        return
    for one in found:
        yield one
        yield from (entry.resource for entry in one.entry if entry.resource is not None)


def _names(patient: _Resource) -> set[tuple[str, ...]]:
    """Return what nobody else may be named by: the id, and each identifier that has system and value."""
    try:
        identifiers = _IDENTIFIERS.decode(patient.identifier)
    except msgspec.DecodeError:
        identifiers = list[_Identifier]()
    found: set[tuple[str, ...]] = {(one.system, one.value) for one in identifiers if one.system and one.value}
    return found | ({(patient.id,)} if patient.id else set())
