"""How well a profile feeds the vector over a folder of patients: what is there, what is not, and what would help.

Counts, codes and texts of codes only: a report holds no patient's value and no identifier. Patients are
counted one after another, and none is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted, Feature
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.facts import Reading
from fhir_adapters.survey import feeds, unread_lists, unread_observations, unread_scales
from fhir_adapters.survey.outcomes import OUTCOMES, Outcome, outcome_of
from fhir_adapters.survey.pasting import pasted
from fhir_adapters.survey.suggestions import Problem, Sighting, Suggestion, without_contradictions
from fhir_adapters.vector.schema import FEATURES

__all__ = ["OUTCOMES", "Coverage", "Help", "Outcome", "sightings"]

_READ = frozenset({"present", "stale", "conflicting"})
_UNSAID = frozenset({"not-recorded", ""})  # reasons that say no more than that there is nothing


@dataclass(slots=True)
class Help:
    """What a suggested line would do, in patients.

    ``patients`` have what it is about, in ``read`` of them it is then read, in ``fed`` of them a feature is
    then fed that is not now. ``keys`` it would feed; ``seen``: words for the engineer, of one of them.
    """

    patients: int = 0
    read: int = 0
    fed: int = 0
    keys: set[str] = field(default_factory=set[str])
    seen: str = ""


@dataclass(slots=True)
class Coverage:
    """The tally over patients.

    ``outcomes``: feature → outcome → patients. ``reasons``: feature → reason why it is not fed → patients.
    ``helps``: line → what it would do. ``lists``: list → state → patients. ``entries``: ``medications``,
    ``conditions``, ``allergies`` → how they were understood → entries. ``unread``: error code → files.
    """

    as_of: date
    profile: str
    patients: int = 0
    outcomes: dict[str, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    helps: dict[Suggestion, Help] = field(default_factory=lambda: defaultdict(Help))
    lists: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    entries: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    versions: Counter[str] = field(default_factory=Counter[str])
    unread: Counter[str] = field(default_factory=Counter[str])

    def add(self, reading: Reading, adapted: Adapted) -> None:
        """Count one patient."""
        self.patients += 1
        self.versions[adapted.patient.fhir_version] += 1
        found = list(sightings(reading, adapted))
        usable, unclear = without_contradictions({one.suggestion for one in found})
        tried = _tried(reading, usable, adapted)
        changed = _changed(adapted.features.features, tried.features.features)
        doubtful = {line for lines in unclear.values() for line in lines}
        problems: dict[str, set[Problem]] = defaultdict(set)
        for one in found:
            for name in feeds.features_of(one.key):
                if name in changed or one.suggestion in doubtful:
                    problems[name].add(one.suggestion.problem)
        self._features(adapted, problems, tried)
        self._helps(found, changed, _gained(adapted, tried))
        for name, state in adapted.patient.lists.items():
            self.lists[name][state] += 1
        for name, how in _entries(adapted):
            self.entries[name][how] += 1

    def _features(self, adapted: Adapted, problems: Mapping[str, Collection[Problem]], tried: Adapted) -> None:
        features = adapted.features.features
        for spec in FEATURES:
            feature = features[spec.name]
            outcome = outcome_of(feature, features, problems, tried.features.features[spec.name])
            self.outcomes[spec.name][outcome] += 1
            if outcome != "fed" and (feature.reason or "") not in _UNSAID:
                self.reasons[spec.name][feature.reason or ""] += 1

    def _helps(
        self, found: Iterable[Sighting], changed: Mapping[str, str], gained: Collection[tuple[str, str]]
    ) -> None:
        by_line: dict[Suggestion, list[Sighting]] = defaultdict(list)
        for one in found:
            by_line[one.suggestion].append(one)
        for line, seen in by_line.items():
            told = {changed[name] for one in seen for name in feeds.features_of(one.key) if name in changed}
            held = self.helps[line]
            held.patients += 1
            held.read += not told.isdisjoint(_READ) or any((one.key, one.reference) in gained for one in seen)
            held.fed += "present" in told
            held.keys |= {one.key for one in seen if one.key}
            held.seen = min([held.seen, *(one.seen for one in seen)], key=lambda words: (not words, words))

    def share(self, feature: str, outcome: Outcome) -> float:
        """Return the share of patients, 0 to 1."""
        return self.outcomes[feature][outcome] / self.patients if self.patients else 0.0

    def lines(self) -> list[tuple[Suggestion, Help]]:
        """Return the lines that can be pasted together and that read something, the most helpful first."""
        usable, _ = without_contradictions(self.helps)
        held = [(one, self.helps[one]) for one in usable if self.helps[one].read]
        return sorted(held, key=lambda pair: (-pair[1].fed, -pair[1].read, pair[0]))

    def undecided(self) -> list[tuple[Suggestion, ...]]:
        """Return the lines that contradict each other, of one place each: a person must choose, or none can be."""
        _, unclear = without_contradictions(self.helps)
        return [tuple(lines) for _, lines in sorted(unclear.items())]


def sightings(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    """Yield what the chart holds that no table knows, with the line that would have it read."""
    yield from unread_observations.sightings(reading, adapted)
    yield from unread_scales.sightings(reading, adapted)
    yield from unread_lists.sightings(reading, adapted)


def _tried(reading: Reading, lines: Sequence[Suggestion], adapted: Adapted) -> Adapted:
    """Return the patient as read with the suggested lines, all at once."""
    if not lines:
        return adapted
    profile = _with(reading.profile, tuple(lines))
    return adapt_chart(Reading(reading.chart, profile, reading.terms), adapted.features.as_of)


@lru_cache(maxsize=64)
def _with(profile: Profile, lines: tuple[Suggestion, ...]) -> Profile:
    """Return the profile with these lines: the patients of one folder mostly suggest the same few."""
    return pasted(profile, lines)


def _gained(before: Adapted, after: Adapted) -> set[tuple[str, str]]:
    """Return what is read now and was not, by what it tells and the resource that it is read from."""
    # A drug that is known now may be joined to another course: what counts is which are unresolved no longer.
    resolved = _unresolved(before) - _unresolved(after)
    return (_told(after) - _told(before)) | {("medications", reference) for reference in resolved}


def _unresolved(adapted: Adapted) -> set[str]:
    return {one.source.reference for one in adapted.patient.medications if one.unresolved}


def _told(adapted: Adapted) -> set[tuple[str, str]]:
    patient = adapted.patient
    told = {(one.key, one.source.reference) for one in patient.measurements}
    told |= {(f"{one.scale}.{one.part}", one.source.reference) for one in patient.scales}
    told |= {("conditions", one.source.reference) for one in patient.diagnoses if one.keys}
    told |= {("allergies", one.source.reference) for one in patient.allergies if one.ingredients or one.classes}
    return told


def _changed(before: Mapping[str, Feature], after: Mapping[str, Feature]) -> dict[str, str]:
    """Return the features that are another than before, with what they are now."""
    return {name: one.status for name, one in after.items() if (one.status, one.reason) != _state(before[name])}


def _state(feature: Feature) -> tuple[str, str | None]:
    return feature.status, feature.reason


def _entries(adapted: Adapted) -> Iterator[tuple[str, str]]:
    """Yield list and how it was understood, of each of its entries."""
    patient = adapted.patient
    for drug in patient.medications:
        yield "medications", drug.unresolved or ("text" if "drug-from-text" in drug.source.repairs else "code")
    unread = {one.reference for one in patient.refusals if one.reason == "problem-not-understood"}
    for problem in patient.diagnoses:
        by_text = "diagnosis-from-text" in problem.source.repairs
        known = ("text" if by_text else "code") if problem.keys else "no rule reads it"
        yield "conditions", "not-understood" if problem.source.reference in unread else known
    for allergy in patient.allergies:
        by_text = "allergen-from-text" in allergy.source.repairs
        known = ("text" if by_text else "code") if allergy.ingredients or allergy.classes else "not-understood"
        yield "allergies", known
