"""A bulk export in parts, each with some of the patients: every patient's chart is the one that the whole gives.

A line of NDJSON goes to the part of the patient whom it names; Medications are everybody's. A folder in which
something does not name its patient by a plain reference, is no NDJSON, or is not R4, is one part: whose that is, and
in which version it is written, only the whole folder tells.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading import population
from fhir_adapters.reading.population import Item
from fhir_adapters.reading.subjects import patient_id_of
from fhir_adapters.reading.told import assumed

_ENVELOPES = frozenset({None, "Bundle", "Parameters", "OperationOutcome"})
_EVERYBODY = -1
_PATIENTS, _OTHERS = "patients", "others"  # one file of both would be read as one record


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Line(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None


_DECODER = msgspec.json.Decoder(_Line)


class File(NamedTuple):
    """One file: ``alone`` when it is read by itself (one patient's whole record, or not to be read).

    Else its ``pieces`` by part and kind, None when it cannot be taken apart.
    """

    path: str
    alone: bool
    pieces: Mapping[tuple[int, str], bytes] | None = None


def part_of(patient: str, parts: int) -> int:
    """Return the part of a patient's id."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") % parts


def split(path: str, parts: int, profile: Profile) -> File:
    """Return what of a file goes to which part."""
    look = population.look(Path(path), assumed=assumed(profile.fhir_versions), notices=profile.notices)
    if look.error is not None or look.whole:
        return File(path, alone=True)
    if look.not_r4 or not path.endswith(".ndjson"):
        return File(path, alone=False)
    lines: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for line in Path(path).read_bytes().splitlines():
        if line.strip():
            place = _place(line, parts)
            if place is None:
                return File(path, alone=False)
            lines[place].append(line)
    return File(path, alone=False, pieces={place: b"\n".join(held) for place, held in lines.items()})


def _place(line: bytes, parts: int) -> tuple[int, str] | None:
    """Return the part of a line and its kind; None where the line alone does not tell whose it is."""
    try:
        one = _DECODER.decode(line)
    except msgspec.DecodeError:
        return None
    if one.resourceType == "Patient":
        return (part_of(one.id, parts), _PATIENTS) if one.id else None
    if one.resourceType == "Medication":
        return _EVERYBODY, _OTHERS
    if one.resourceType not in LIST_OF:
        return None if one.resourceType in _ENVELOPES else (0, _OTHERS)
    named = one.subject or one.patient
    if named is None or (one.subject and one.patient):
        return None
    name = patient_id_of((named.reference or "").strip().partition("/_history/")[0])
    return (part_of(name, parts), _OTHERS) if name else None


def piece(file: File, part: int) -> list[bytes]:
    """Return what a part gets of a file that was taken apart."""
    pieces = file.pieces or {}
    return [raw for (whose, _), raw in sorted(pieces.items()) if whose in (part, _EVERYBODY)]


def read_part(folder: str, held: Iterable[Sequence[bytes]], profile: Profile) -> Iterator[Item]:
    """Yield the patients of one part of a folder from what it holds of each file, named as the whole names them."""
    with TemporaryDirectory() as place:
        paths: list[Path] = []
        for raw in (one for pieces in held for one in pieces):
            paths.append(Path(place) / f"{len(paths):09d}.ndjson")
            paths[-1].write_bytes(raw)
        yield from read_files(folder, paths, profile)


def read_files(folder: str, paths: Sequence[Path], profile: Profile) -> Iterator[Item]:
    """Yield the patients of the files of one folder, named as the whole names them."""
    alone = set(map(str, paths))
    for item in read(paths, profile):
        inside = f"{folder}/{item.name}" if item.name else folder
        yield item if item.name in alone or not folder else Item(inside, item.chart)


def read(paths: Iterable[Path], profile: Profile) -> Iterator[Item]:
    """Yield the patients of files and folders, as the profile reads them."""
    first = assumed(profile.fhir_versions)
    return population.charts(paths, repairs=profile.repairs, assumed=first, notices=profile.notices)
