"""Which FHIR versions an input is written in, told by its resources, and how to read those that tell none."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fhir_adapters.fhir_versions.versions import ALL, Version, version_of, written_in
from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading.opened import Entry


class Told(NamedTuple):
    """``versions`` of the resources read, and the one ``preferred`` for a resource that tells none."""

    versions: frozenset[Version] = frozenset({"R4"})
    preferred: Version = "R4"


def assumed(fhir_versions: Sequence[str]) -> Version:
    """Return the first of a profile's versions, R4 for R4B and where there is none."""
    found: list[Version] = [one for one in ALL if fhir_versions and one == fhir_versions[0]]
    return found[0] if found else "R4"


def not_r4(entries: Iterable[Entry]) -> bool:
    """Tell whether some resource cannot be R4."""
    return any("R4" not in written_in(one.kind, one.head).remaining for one in entries if _is_read(one))


def tell(entries: Sequence[Entry], assumed: Version) -> Told:
    """Return what the resources tell; those that tell none follow the others where these agree.

    Entries are those read with care; what was read quickly is R4, or tells nothing among R4.
    """
    read = [one for one in entries if _is_read(one)]
    found: list[Version | None] = [written_in(one.kind, one.head).version for one in read]
    others: set[Version] = {one for one in found if one and one != "R4"}
    preferred: Version = next(iter(others)) if len(others) == 1 else assumed
    told = _versions(read, preferred)
    if len(told) > 1 and preferred != assumed:  # they do not agree
        preferred, told = assumed, _versions(read, assumed)
    return Told(told or frozenset({assumed}), preferred)


def _versions(entries: Iterable[Entry], preferred: Version) -> frozenset[Version]:
    versions: list[Version | None] = [
        version_of(one.kind, one.head, preferred) for one in entries if one.kind != "Patient"
    ]
    return frozenset[Version]([one for one in versions if one])


def _is_read(entry: Entry) -> bool:
    return entry.kind in LIST_OF or entry.kind == "Patient"
