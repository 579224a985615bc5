"""The quick way: a whole value decoded in one pass, as R4; None for whatever needs a second look.

What is told by a name (an element of another version, a ``modifierExtension``) does not fit the ``shapes``; what
is told by a code is looked for here. The careful way (``resources``) then says what it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from fhir_adapters.fhir_versions.version_elements import ROWS
from fhir_adapters.reading.shapes import TYPES, Bundle, Place, Root

Shape = type[Root | msgspec.UnsetType]
Groups = dict[Shape, Sequence[Root | msgspec.UnsetType]]

_ROOT: msgspec.json.Decoder[Root] = msgspec.json.Decoder(Root)


class Batch(NamedTuple):
    """R4 resources that were read in one pass, by type.

    ``places``: the entries of their Bundle, empty for resources that stand alone. ``incomplete`` when the Bundle
    says that more exists.
    """

    groups: Groups
    places: Sequence[Place] = ()
    incomplete: bool = False

    def of(self, shape: Shape) -> Iterator[tuple[Root, str | None]]:
        """Yield the resources of one type with the fullUrls of their entries."""
        if not self.places:
            yield from ((one, None) for one in self.groups[shape] if one is not msgspec.UNSET)
        for place in self.places:
            if place.resource is not msgspec.UNSET and type(place.resource) is shape:
                yield place.resource, place.fullUrl

    def size(self) -> int:
        """Return how many resources there are."""
        return sum(map(len, self.groups.values()))


def _codes() -> Iterator[tuple[Shape, tuple[str, frozenset[str]]]]:
    for kind, rows in ROWS.items():
        told: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            if "R4" not in row.versions and len(row.begins) > 2 and row.begins.endswith(b'"'):
                told[row.element].add(row.begins.decode().strip('"'))
        yield from ((TYPES[kind], (element, frozenset(codes))) for element, codes in told.items())


_CODES: Mapping[Shape, tuple[str, frozenset[str]]] = dict(_codes())


def decode(raw: bytes) -> Root | None:
    """Return the R4 resource or Bundle, None when it must be read with care."""
    try:
        found = _ROOT.decode(raw)
    except msgspec.ValidationError:
        return None
    return None if not isinstance(found, Bundle) and told_by_code(type(found), (found,)) else found


def decode_lines(raw: bytes) -> list[Root] | None:
    """Return the R4 resource or Bundle of each line of NDJSON, None when one of them must be read with care."""
    try:
        return _ROOT.decode_lines(raw)
    except msgspec.ValidationError:
        return None


def by_type(resources: Sequence[Root | msgspec.UnsetType]) -> Groups | None:
    """Return the resources by type, None when a code tells another version. Most values hold one type only."""
    kinds = set(map(type, resources))
    groups: Groups = {kinds.pop(): resources} if len(kinds) == 1 else _grouped(resources)
    for shape in groups:
        if shape in _CODES and told_by_code(shape, groups[shape]):
            return None
    return groups


def _grouped(resources: Iterable[Root | msgspec.UnsetType]) -> Groups:
    groups: dict[Shape, list[Root | msgspec.UnsetType]] = defaultdict(list)
    for one in resources:
        groups[type(one)].append(one)
    return {**groups}


def told_by_code(shape: Shape, resources: Iterable[Root | msgspec.UnsetType]) -> bool:
    """Tell whether a code among these resources of one type is one that R4 does not have."""
    if shape not in _CODES:
        return False
    element, codes = _CODES[shape]
    return not codes.isdisjoint([getattr(one, element) for one in resources])
