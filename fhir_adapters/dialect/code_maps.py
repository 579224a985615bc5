"""Code maps of a site: local codes to codes that the tables know (read by ``map_files``).

A target counts when it says the same as its source, or something wider where that is safe: a product's
ingredient, a problem's kind. A measurement, a score or an answer must be the same. The others are refused
and counted.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from fhir_adapters import terminology
from fhir_adapters.dialect import code_systems
from fhir_adapters.dialect.code_systems import LOINC, key_code
from fhir_adapters.errors import ProfileError
from fhir_adapters.terminology import Code

# http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html and
# http://hl7.org/fhir/R5/valueset-concept-map-relationship.html: said of the target, as seen from the source.
_SAME = frozenset({"equal", "equivalent"})
_WIDER = frozenset({"wider", "subsumes", "source-is-narrower-than-target"})
_OTHERS = frozenset(
    {"relatedto", "narrower", "specializes", "inexact", "unmatched", "disjoint"}
    | {"related-to", "source-is-broader-than-target", "not-related-to", "not-stated"}
)
_ALL = _SAME | _WIDER | _OTHERS


@dataclass(frozen=True, slots=True)
class CodeMap:
    """What one map gives: ``targets`` by canonical code, and how many rows are refused, by reason.

    A reason is the relationship that does not count, ``depends-on`` (holds in some contexts only) or
    ``no-target``.
    """

    name: str
    targets: Mapping[Code, tuple[Code, ...]]
    refused: Mapping[str, int]


class Row(NamedTuple):
    """One mapping as written; ``place`` says where, for messages."""

    place: str
    source_system: str
    source_code: str
    target_system: str
    target_code: str
    relationship: str = "equivalent"
    depends: bool = False


def taken(rows: Iterable[Row], systems: Mapping[str, str], name: str) -> CodeMap:
    """Return the rows that count, by source code; ``systems`` are aliases of code systems.

    Raises ProfileError U-PROFILE-MAP (an unknown relationship, a target system that no table reads, no source
    code) and U-PROFILE-MAP-CONFLICT (one code with two targets in one system).
    """
    targets: dict[Code, dict[str, str]] = {}
    refused: Counter[str] = Counter()
    for row in rows:
        if reason := _refused(row, systems):
            refused[reason] += 1
            continue
        source, target = _codes(row, systems)
        held = targets.setdefault(source, {})
        if held.setdefault(target[0], target[1]) != target[1]:
            known = held[target[0]]
            raise _conflict(f"{row.place} maps {row.source_code} to {row.target_code}, another row to {known}")
    return CodeMap(name, {source: tuple(sorted(held.items())) for source, held in targets.items()}, dict(refused))


def joined(maps: Iterable[CodeMap]) -> Mapping[Code, tuple[Code, ...]]:
    """Return all targets by source; U-PROFILE-MAP-CONFLICT where two maps give one code different targets."""
    found: dict[Code, dict[str, str]] = {}
    for one in maps:
        for source, targets in one.targets.items():
            held = found.setdefault(source, {})
            for system, code in targets:
                if held.setdefault(system, code) != code:
                    raise _conflict(f"{one.name} maps {source[1]} to {code}, another map to {held[system]}")
    return {source: tuple(sorted(held.items())) for source, held in found.items()}


def _refused(row: Row, systems: Mapping[str, str]) -> str | None:
    """Return why a row does not count."""
    if row.relationship not in _ALL:
        near = difflib.get_close_matches(row.relationship, sorted(_ALL), 1, 0.0)[0]
        raise ProfileError(
            "U-PROFILE-MAP", f"{row.place}: the relationship {row.relationship} is not known; nearest is {near}"
        )
    if not row.target_code:
        return "no-target"
    if row.depends:
        return "depends-on"
    exact = systems.get(row.target_system, row.target_system) == LOINC
    counts = _SAME if exact else _SAME | _WIDER
    return None if row.relationship in counts else row.relationship


def _codes(row: Row, systems: Mapping[str, str]) -> tuple[Code, Code]:
    source, target = (systems.get(one, one) for one in (row.source_system, row.target_system))
    if target not in _targets():
        near = difflib.get_close_matches(target, sorted(_targets()), 1, 0.0)[0]
        raise ProfileError("U-PROFILE-MAP", f"{row.place}: no table holds codes of {target}; the nearest is {near}")
    if not row.source_code:
        raise ProfileError("U-PROFILE-MAP", f"{row.place}: the source code is missing")
    return (source, key_code(source, row.source_code)), (target, key_code(target, row.target_code))


@cache
def _targets() -> frozenset[str]:
    """The code systems that some table reads."""
    terms = terminology.load()
    measured = (terms.observation_codes, terms.scale_codes, terms.answer_codes, terms.status_codes)
    tables = (*measured, terms.condition_codes, terms.drug_codes, terms.none_known)
    return code_systems.ALL | {system for table in tables for system, _ in table if system}


def _conflict(what: str) -> ProfileError:
    return ProfileError("U-PROFILE-MAP-CONFLICT", f"{what}; keep one of them")
