"""Which FHIR version a resource is written in, and the way from there to the R4 shape that the readers know.

A version is told by elements, by the JSON shape of an element and by codes that only some versions have
(``version_elements``). An element that R4 does not have tells against R4; one that R4 has only narrows down.
R4B has the R4 elements that are read and is R4 here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from fhir_adapters.fhir_versions import dstu2, r5, stu3
from fhir_adapters.fhir_versions.operators import Element, Table, apply
from fhir_adapters.fhir_versions.version_elements import ALL, ROWS, TOLERATED, Row, Version

__all__ = ["ALL", "UNTOLD", "Head", "Version", "Written", "to_r4", "version_of", "written_in"]

Head = Mapping[str, msgspec.Raw]  # the elements of a resource, unread

_TABLES: Mapping[Version, Table] = {"DSTU2": dstu2.TABLE, "STU3": stu3.TABLE, "R5": r5.TABLE}
_OLD: frozenset[Version] = frozenset({"DSTU2", "STU3"})
# Where nothing else decides: R4, which most systems speak, then the newest.
_PREFERRED: tuple[Version, ...] = ("R4", "R5", "STU3", "DSTU2")


class Written(NamedTuple):
    """What the elements of one resource tell.

    ``version`` is the one version that remains and ``element`` what tells it (with "R4" it is told to be R4).
    ``version`` is None when several remain: nothing tells, R4 is nearly always among ``remaining``, and the caller
    reads it as the others of the same input are written (``version_of``). It is None too when none remains: the
    resource mixes versions that take each other back, ``element`` is the one that contradicts, and the resource
    must be refused (``version-mixed``).
    """

    version: Version | None
    element: str
    remaining: frozenset[Version]


UNTOLD = Written(None, "", ALL)


def _foreign(row: Row) -> bool:
    return "R4" not in row.versions


def _shaped(row: Row) -> bool:
    return bool(row.begins or row.holds)


def _holds(row: Row, head: Head) -> bool:
    if row.element not in head:
        return False
    raw = bytes(head[row.element])
    return raw.startswith(row.begins) and row.holds in raw and not (row.lacks and row.lacks in raw)


_NOTHING: frozenset[str] = frozenset()
# By far most resources are R4: one look at their names is nearly all that they cost.
_FOREIGN = {
    kind: frozenset(row.element for row in rows if _foreign(row) and not _shaped(row)) for kind, rows in ROWS.items()
}
_FOREIGN_SHAPES = {kind: tuple(row for row in rows if _foreign(row) and _shaped(row)) for kind, rows in ROWS.items()}


def written_in(kind: str, head: Head) -> Written:
    """Return what the elements of a resource of this type tell; ``UNTOLD`` where no element speaks against R4.

    A resource told to be R4 has elements that only R4 has beside some that look like another version's.
    """
    if _FOREIGN.get(kind, _NOTHING).isdisjoint(head):
        for row in _FOREIGN_SHAPES.get(kind, ()):
            if _holds(row, head):
                break
        else:
            return UNTOLD
    return _told(kind, head)


def version_of(kind: str, head: Head, preferred: str) -> Version | None:
    """Return the version to read a resource as: the one told, else ``preferred`` where its elements allow it.

    ``preferred``: what the other resources of the input tell, else the profile's first (R4B is R4). Where the
    elements do not allow it: R4, else the newest that they allow. None for a resource that mixes versions.
    """
    written = _told(kind, head)
    if written.version or not written.remaining:
        return written.version
    ranked = sorted(written.remaining, key=_PREFERRED.index)
    return preferred if preferred in ranked else ranked[0]


def to_r4(resource: dict[str, Any], version: Version) -> dict[str, Any]:
    """Return one decoded resource of ``version`` in its R4 shape; contained resources are converted with it.

    The type may change (MedicationOrder becomes MedicationRequest): read ``resourceType`` of what is returned. A
    ``modifierExtension`` may appear, for what must not be read as if it were R4: check after, not before. Pure:
    ``resource`` is not changed. Never raises: what has not the shape of its version stays as it is, for the R4
    decoder to refuse. A resource that is R4-shaped already comes back equal, whatever ``version`` says.
    """
    table = _TABLES.get(version)
    if table is None:
        return resource
    named = stu3.OLD_SYSTEMS(resource) if version in _OLD else resource
    return _converted(named, table, inside=False)


def _converted(resource: Element, table: Table, *, inside: bool) -> Element:
    kind: Any = resource.get("resourceType")
    converted = apply(resource, table.get(kind, ())) if isinstance(kind, str) else resource
    held: Any = converted.get("contained")
    if inside or not isinstance(held, list):
        return converted
    contained = [
        _converted(cast("Element", one), table, inside=True) if isinstance(one, dict) else one
        for one in cast("list[Any]", held)
    ]
    return {**converted, "contained": contained}


def _told(kind: str, head: Head) -> Written:
    """Narrow down: first by what R4 does not have, which must agree; then by the rest, as far as it agrees."""
    held = [row for row in ROWS.get(kind, ()) if _holds(row, head)]
    against = [row for row in held if _foreign(row) and (kind, row.element) not in TOLERATED]
    remaining, element = ALL, ""
    for row in (*against, *(row for row in held if row not in against)):
        left = remaining & row.versions
        if not left and row in against:
            return Written(None, row.element, left)
        if left and left != remaining:
            remaining, element = left, row.element
    version = next(iter(remaining)) if len(remaining) == 1 else None
    return Written(version, element if version else "", remaining)
