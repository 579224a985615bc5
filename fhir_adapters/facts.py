"""What all readers of facts share: what they read from, where a fact comes from, in which order facts stand.

Facts stand newest first and then by reference, and equal facts stand once, so that neither the order of
entries nor a resource sent twice changes anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import eq, itemgetter, lt
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from fhir_adapters import dates, remember
from fhir_adapters.canonical import Original, Source
from fhir_adapters.dialect.code_systems import is_loinc
from fhir_adapters.dialect.coding import LOINC, SNOMED, canonical_system, normalise_code
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import ObservationCode
from fhir_adapters.rating import scale_tables
from fhir_adapters.rating.scale_tables import ScalePart
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import Chart
from fhir_adapters.terminology import Code, Terminology

Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers of facts read from: one chart, in one dialect, with the code tables."""

    chart: Chart
    profile: Profile
    terms: Terminology


class Concept(msgspec.Struct, frozen=True, gc=False):
    """What a CodeableConcept's codings are.

    ``codes`` in sorted order, each with the repairs made to read it (``repairs``: of all). ``written`` is the
    first coding in sorted order, ``system|code`` as found. ``measured`` are the analytes that they name, the
    preferred code first, and ``told`` is the coding as found that named the first. ``parts`` are the parts of
    rating scales, each with the repairs made to know it. ``standard``: one is a LOINC or SNOMED CT code, known
    to a table or not.
    """

    codes: Mapping[Code, tuple[str, ...]]
    written: str | None = None
    repairs: tuple[str, ...] = ()
    measured: tuple[ObservationCode, ...] = ()
    told: str | None = None
    parts: Mapping[ScalePart, tuple[str, ...]] = MappingProxyType({})
    standard: bool = False


# (system, code) of each coding, as found.
_Codings = tuple[tuple[str | None, str | None], ...]
_LONGEST = 500  # characters of a concept that is remembered
_ENDLESS = 1 << 30


def newest_first(
    facts: Iterable[Fact],
    when: Callable[[Fact], tuple[date | None, str | None]],
    tie: Callable[[Fact], tuple[Any, ...]],
    rank: Callable[[Fact], int] | None = None,
) -> tuple[Fact, ...]:
    """Return the distinct facts by ``when`` (date, moment), newest first, undated last; then by ``rank`` and ``tie``.

    Equal facts have equal ties.
    """
    times: dict[tuple[date, str], list[Fact]] = {}
    last: tuple[date | None, str | None] | None = None
    rows: list[Fact] = []
    for one in facts:
        time = when(one)
        if time != last:  # what was read together stands together
            last, (day, instant) = time, time
            rows = times.setdefault((day or date.min, instant or ""), [])
        rows.append(one)
    return tuple([one for time in sorted(times, reverse=True) for one in _by_tie(times[time], tie, rank)])


def _by_tie(
    facts: list[Fact], tie: Callable[[Fact], tuple[Any, ...]], rank: Callable[[Fact], int] | None
) -> list[Fact]:
    """Return the facts of one time in their order, equal facts once; nearly always all ties differ."""
    if len(facts) == 1:
        return facts
    ties = [tie(one) for one in facts]
    if not all(map(lt, ties, ties[1:])):  # as they were read, most stand in this order already
        facts = _distinct(sorted(zip(ties, facts, strict=True), key=itemgetter(0)))
    if rank is not None:
        facts.sort(key=rank)
    return facts


def _distinct(rows: Sequence[tuple[tuple[Any, ...], Fact]]) -> list[Fact]:
    """Return facts that stand in the order of their ties, equal facts once."""
    ties = [tie for tie, _ in rows]
    if not any(map(eq, ties, ties[1:])):
        return [one for _, one in rows]
    groups: dict[tuple[Any, ...], list[Fact]] = {}
    for tie, one in rows:
        known = groups.setdefault(tie, [])
        if one not in known:
            known.append(one)
    return [one for group in groups.values() for one in sorted(group, key=repr)]


def moment(text: str | None) -> str | None:
    """Return a dateTime or instant in UTC, None where it has no time or no zone."""
    return dates.moment(text)


def first_day(text: str | None) -> date | None:
    """Return the earliest day that a FHIR date can mean, None when it cannot be read."""
    found = dates.parse(text)
    return found.first if found else None


def last_day(text: str | None) -> date | None:
    """Return the latest day that a FHIR date can mean, None when it cannot be read."""
    found = dates.parse(text)
    return found.last if found else None


def source(
    reading: Reading,
    reference: str,
    path: str,
    rule: str,
    original: Original | None = None,
    repairs: Iterable[str] = (),
) -> Source:
    """Return the source of one fact, with the repairs made to its resource and those made here."""
    of_resource = reading.chart.repairs.get(reference)
    if not (of_resource or repairs):  # as most are
        return Source(reference, path, rule, original)
    return Source(reference, path, rule, original, tuple(sorted({*(of_resource or ()), *repairs})))


def codes(reading: Reading, codings: Sequence[wire.Coding]) -> Mapping[Code, tuple[str, ...]]:
    """Return the codes of a concept in sorted order, each with the repairs made to read it.

    The targets of the profile's code maps are among them, with the repair ``code-map``.
    """
    return concept(reading.profile, codings).codes


def concept(profile: Profile, codings: Sequence[wire.Coding]) -> Concept:
    """Return what a concept's codings are: the same few come again and again, so the last ones are remembered."""
    if len(codings) == 2:  # as most are: a standard code and a local one
        first, second = codings
        key = (profile, first.system, first.code, second.system, second.code)
    elif len(codings) == 1:
        key = (profile, codings[0].system, codings[0].code)
    else:
        key = (profile, *[part for one in codings for part in (one.system, one.code)])
    return _known.get(key) or _learnt(profile, codings, key)


def _learnt(profile: Profile, codings: Iterable[wire.Coding], key: tuple[Profile | str | None, ...]) -> Concept:
    found = _concept(tuple([(one.system, one.code) for one in codings]), profile)
    short = sum(len(part) for part in key if isinstance(part, str)) <= _LONGEST
    return remember.keep(_known, key, found) if short else found


_known: dict[tuple[Profile | str | None, ...], Concept] = {}


def _concept(codings: _Codings, profile: Profile) -> Concept:
    found: dict[Code, tuple[str, ...]] = {}
    origin: dict[Code, str] = {}
    for written_system, written_code in sorted(codings, key=lambda pair: (pair[0] or "", pair[1] or "")):
        for code, repairs in _codes_of(written_system, written_code, profile):
            found.setdefault(code, repairs)
            origin.setdefault(code, f"{written_system or ''}|{written_code}")
    table = observation_tables.load().codes
    measured = sorted((table[code].preference, table[code].key, origin[code], code) for code in found if code in table)
    return Concept(
        codes=MappingProxyType(dict(sorted(found.items()))),
        written=min([f"{system or ''}|{code}" for system, code in codings if code], default=None),
        repairs=tuple(sorted({repair for one in found.values() for repair in one})),
        measured=tuple([table[code] for *_, code in measured]),
        told=measured[0][2] if measured else None,
        parts=_parts(found),
        standard=any(system in _STANDARD for system, _ in found),
    )


def _parts(found: Mapping[Code, tuple[str, ...]]) -> Mapping[ScalePart, tuple[str, ...]]:
    """Return the parts of rating scales that codes name, each with the fewest repairs that tell it."""
    table = scale_tables.load().codes
    parts: dict[ScalePart, tuple[str, ...]] = {}
    for code, repairs in sorted(found.items()):
        part = table.get(code)
        if part is not None and len(parts.get(part, repairs)) >= len(repairs):
            parts[part] = repairs
    return MappingProxyType(parts)


def _codes_of(system: str | None, code: str | None, profile: Profile) -> Iterator[tuple[Code, tuple[str, ...]]]:
    """Yield the code of one coding, and those that the profile's maps give for it."""
    canonical = canonical_system(system, profile)
    plain, repairs = normalise_code(canonical, code, profile)
    if canonical and plain:
        yield (canonical, plain), repairs
    elif plain and is_loinc(plain):
        # Seen from several systems, and no other system's codes carry LOINC's check digit: were the code passed
        # over, an older result would stand for the newer one.
        yield (LOINC, plain), (*repairs, "system-missing")
    if profile.code_map and plain:
        for target in profile.translate(canonical, plain):
            yield target, (*repairs, "code-map")


_STANDARD = frozenset({LOINC, SNOMED})


def written(codings: Iterable[wire.Coding]) -> str | None:
    """Return the first coding in sorted order as ``system|code`` as found."""
    return min([f"{coding.system or ''}|{coding.code}" for coding in codings if coding.code], default=None)


def length_of(concept: wire.CodeableConcept) -> int:
    """Return the characters of a concept; what has extensions is longer than anything that is remembered."""
    length = len(concept.text or "")
    for one in concept.coding:
        length += len(one.display or "") + len(one.code or "") + len(one.system or "")
        length += _ENDLESS if one.extension else 0
    return length


def display(concept: wire.CodeableConcept | None) -> str:
    """Return the text of a concept, else its first display in sorted order, else an empty string."""
    if concept is None:
        return ""
    return concept.text or min((one.display for one in concept.coding if one.display), default="")


def words_at(path: str, concept: wire.CodeableConcept) -> str:
    """Return where the words of a concept at ``path`` stand: its text, else a coding's display, else its codes."""
    if concept.text:
        return f"{path}.text"
    if any(one.display for one in concept.coding):
        return f"{path}.coding.display"
    return f"{path}.coding" if concept.coding else path


def status_code(concept: wire.CodeableConcept | None, known: frozenset[str]) -> str | None:
    """Return the one status among ``known`` that a status concept holds, None when none or several."""
    if concept is None or not concept.coding:
        return None
    code = (concept.coding[0].code or "").strip()
    if len(concept.coding) == 1:
        return code if code in known else None
    found = {one.code.strip() for one in concept.coding if one.code} & known
    return found.pop() if len(found) == 1 else None
