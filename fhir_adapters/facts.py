"""What all readers of facts share: what they read from, where a fact comes from, in which order facts stand.

Facts stand newest first and then by reference, and equal facts stand once, so that neither the order of
entries nor a resource sent twice changes anything.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from fhir_adapters import dates, wire
from fhir_adapters.canonical import Original, Source
from fhir_adapters.coding import canonical_system, normalise_code
from fhir_adapters.profile import Profile
from fhir_adapters.reader import Chart
from fhir_adapters.terminology import Code, Terminology

Fact = TypeVar("Fact")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers of facts read from: one chart, in one dialect, with the code tables."""

    chart: Chart
    profile: Profile
    terms: Terminology


def newest_first(
    facts: Iterable[Fact],
    when: Callable[[Fact], tuple[date | None, str | None]],
    tie: Callable[[Fact], tuple[str, ...]],
) -> tuple[Fact, ...]:
    """Return the distinct facts by ``when`` (date, moment), newest first, undated last; then by ``tie``.

    Equal facts have equal ties.
    """

    def newest(fact: Fact) -> tuple[date, str]:
        day, instant = when(fact)
        return day or date.min, instant or ""

    tied: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        tied[tie(fact)].append(fact)
    ordered = (fact for key in sorted(tied) for fact in _distinct(tied[key]))
    return tuple(sorted(ordered, key=newest, reverse=True))


def _distinct(tied: list[Fact]) -> list[Fact]:
    """Return facts of one tie, each once; nearly always there is one, and then nothing is hashed or written out."""
    return tied if len(tied) == 1 else sorted(set(tied), key=repr)


def moment(text: str | None) -> str | None:
    """Return a dateTime or instant in UTC, None where it has no time or no zone."""
    try:
        instant = datetime.fromisoformat(text or "")
        return None if instant.tzinfo is None else instant.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


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
    made = {*reading.chart.repairs.get(reference, ()), *repairs}
    return Source(reference, path, rule, original, tuple(sorted(made)) if made else ())


def codes(reading: Reading, codings: Iterable[wire.Coding]) -> dict[Code, tuple[str, ...]]:
    """Return the codes of a concept in sorted order, each with the repairs made to read it."""
    found: dict[Code, tuple[str, ...]] = {}
    for coding in codings:
        system = canonical_system(coding.system, reading.profile)
        code, repairs = normalise_code(system, coding.code, reading.profile)
        if system and code:
            found[system, code] = repairs
    return dict(sorted(found.items())) if len(found) > 1 else found


def written(codings: Iterable[wire.Coding]) -> str | None:
    """Return the first coding in sorted order as ``system|code`` as found."""
    return min([f"{coding.system or ''}|{coding.code}" for coding in codings if coding.code], default=None)


def display(concept: wire.CodeableConcept | None) -> str:
    """Return the text of a concept, else its first display in sorted order, else an empty string."""
    if concept is None:
        return ""
    return concept.text or min((one.display for one in concept.coding if one.display), default="")


def status_code(concept: wire.CodeableConcept | None, known: frozenset[str]) -> str | None:
    """Return the one status among ``known`` that a status concept holds, None when none or several."""
    found = {one.code.strip() for one in concept.coding if one.code} & known if concept else set[str]()
    return found.pop() if len(found) == 1 else None
