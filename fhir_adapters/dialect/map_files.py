"""Code map files: FHIR ConceptMap JSON as R4 and R5 write it, and CSV."""

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from fhir_adapters.dialect.code_maps import CodeMap, Row, taken
from fhir_adapters.dialect.profile_file import ProfileFile
from fhir_adapters.errors import ProfileError

_NEEDED = ("source_system", "source_code", "target_system", "target_code")
_COLUMNS = (*_NEEDED, "relationship", "source")


class _Target(msgspec.Struct):
    code: str = ""
    equivalence: str | None = None
    relationship: str | None = None
    dependsOn: list[msgspec.Raw] = []  # noqa: N815


class _Element(msgspec.Struct):
    code: str = ""
    target: list[_Target] = []


class _Group(msgspec.Struct):
    source: str = ""
    target: str = ""
    element: list[_Element] = []


class _ConceptMap(msgspec.Struct):
    resourceType: str  # noqa: N815
    group: list[_Group] = []


def load_all(profile: ProfileFile) -> tuple[CodeMap, ...]:
    """Return the maps that a profile names; ProfileError U-PROFILE-MAP, U-PROFILE-MAP-CONFLICT."""
    return tuple(load(Path(path), profile.systems) for path in profile.maps)


def load(path: Path, systems: Mapping[str, str]) -> CodeMap:
    """Return the map in a ``.json`` (ConceptMap) or ``.csv`` file; ``systems`` are aliases of code systems.

    Raises ProfileError U-PROFILE-MAP (cannot be read, is no such map) and what ``code_maps.taken`` raises.
    """
    if path.suffix not in (".json", ".csv"):
        raise _unusable(path.name, "is neither a ConceptMap (.json) nor a table (.csv)")
    try:
        raw = path.read_bytes()
    except OSError:
        raise _unusable(path.name, "cannot be opened; its path is relative to the profile") from None
    rows = _concept_map(raw, path.name) if path.suffix == ".json" else _table(raw, path.name)
    return taken(rows, systems, path.name)


def _concept_map(raw: bytes, name: str) -> Iterator[Row]:
    try:
        read = msgspec.json.decode(raw, type=_ConceptMap)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(name, f"is no ConceptMap that can be read: {error}") from None
    if read.resourceType != "ConceptMap":
        raise _unusable(name, f"is a {read.resourceType}, not a ConceptMap")
    for group in read.group:
        # R4 groups by system and may leave the version behind a bar: http://hl7.org/fhir/R4/references.html#canonical
        systems = group.source.partition("|")[0], group.target.partition("|")[0]
        for element in group.element:
            for target in element.target or [_Target(relationship="unmatched")]:
                relation = target.relationship or target.equivalence or "not-stated"
                place, code = f"{name} code {element.code}", target.code.strip()
                yield Row(place, systems[0], element.code.strip(), systems[1], code, relation, bool(target.dependsOn))


def _table(raw: bytes, name: str) -> Iterator[Row]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(name, "is not UTF-8") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), restkey="more", restval="")
    try:
        yield from _lines(rows, name)
    except csv.Error as error:
        raise _unusable(name, f"is no table that can be read: {error}") from None


def _lines(rows: "csv.DictReader[str]", name: str) -> Iterator[Row]:
    _check_columns(rows.fieldnames or (), name)
    for row in rows:
        line = rows.line_num
        if "more" in row:
            raise _unusable(name, f"has too many fields in line {line}; quote a field that holds a comma")
        source, code, target, wanted = (row[column].strip() for column in _NEEDED)
        relation = (row.get("relationship") or "").strip() or "equivalent"
        yield Row(f"{name} line {line}", source, code, target, wanted, relation)


def _check_columns(found: Iterable[str], name: str) -> None:
    for column in sorted(set(found) - set(_COLUMNS)):
        near = difflib.get_close_matches(column, _COLUMNS, 1, 0.0)[0]
        raise _unusable(name, f"has the column {column}, which is not known; the nearest is {near}")
    if missing := [column for column in _NEEDED if column not in set(found)]:
        raise _unusable(name, f"lacks the column {', '.join(missing)} (fields are parted by commas)")


def _unusable(name: str, why: str) -> ProfileError:
    return ProfileError("U-PROFILE-MAP", f"the code map {name} {why}")
