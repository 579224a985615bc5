"""Simulated people as a bulk export: one NDJSON file a resource type, one folder a dialect."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from conformance.reference_ehr import dialects
from conformance.reference_ehr.cohort.chart import chart
from conformance.reference_ehr.cohort.person import Person
from conformance.reference_ehr.dialects import envelopes
from conformance.reference_ehr.dialects.elements import Resource

# Dialects of systems and guides of the United States, where race and ethnicity are written as US Core has them.
US = frozenset(
    {"us-core-r4", "epic-r4", "oracle-r4", "athenahealth-r4", "meditech-r4", "eclinicalworks-r4", "nextgen-r4"}
    | {"openemr-r4"}
)


def written(person: Person, dialect: str) -> list[Resource]:
    """Return the person's chart as the dialect has it; KeyError for an unknown dialect."""
    return dialects.write(chart(person, us=dialect in US), dialect)


def export(people: Iterable[tuple[Person, str]], folder: Path) -> int:
    """Write each person in a dialect under ``folder/<dialect>``; returns the number of resources.

    A document (the patient summary) is one JSON file a person. A resource that several charts name (a Medication)
    is written once. KeyError for an unknown dialect, OSError where nothing can be written.
    """
    count, shared = 0, set[tuple[str, str]]()
    with ExitStack() as held:
        open_files: dict[Path, BinaryIO] = {}
        for person, dialect in people:
            place = folder / dialect
            if dialects.of(dialect).document:
                count += _document(person, dialect, place)
                continue
            for resource in written(person, dialect):
                count += _line(resource, place, shared, open_files, held)
    return count


def _document(person: Person, dialect: str, place: Path) -> int:
    place.mkdir(parents=True, exist_ok=True)
    whole = dialects.bundle(chart(person, us=dialect in US), dialect)
    (place / f"{person.id}.json").write_bytes(envelopes.dumped(whole) + b"\n")
    return len(whole["entry"])


def _line(
    resource: Resource, place: Path, shared: set[tuple[str, str]], open_files: dict[Path, BinaryIO], held: ExitStack
) -> int:
    kind = resource["resourceType"]
    if kind == "Medication":
        key = (str(place), str(resource["id"]))
        if key in shared:
            return 0
        shared.add(key)
    path = place / f"{kind}.ndjson"
    if path not in open_files:
        place.mkdir(parents=True, exist_ok=True)
        open_files[path] = held.enter_context(path.open("wb"))
    open_files[path].write(envelopes.dumped(resource) + b"\n")
    return 1
