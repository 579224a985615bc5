"""What the checks ask of a profile: its samples as they are read, and as they are read after a change."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from conformance.checks import Untested
from conformance.suites.adapter import golden, samples, trying
from conformance.suites.adapter.golden import Golden
from conformance.suites.adapter.mutations import BY_ID
from conformance.suites.adapter.samples import Sample
from conformance.suites.adapter.trying import Target, Tried
from conformance.suites.ehr.surveyed import Surveyed
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.survey.coverage import Coverage

_MOST = 90  # resources that are changed in a run
_FEWEST = 3  # of each sample


@dataclass(frozen=True, slots=True)
class Given:
    """What is judged: a profile over a folder of samples. ``golden``: their golden files' folder, None for none.

    ``update`` writes golden files instead of comparing; ``mutate`` changes samples and reads them again.
    """

    profile: str
    samples: Path
    golden: Path | None = None
    update: bool = False
    mutate: bool = False


@dataclass(frozen=True, slots=True)
class One:
    """A sample as it is read: ``reading`` and ``adapted``, or the error that kept it away."""

    sample: Sample
    reading: Reading | None = None
    adapted: Adapted | None = None
    error: InputError | None = None

    @property
    def verdict(self) -> str:
        """``whole``; ``holes`` where something in it could not be read; ``unreadable``."""
        if self.adapted is None:
            return "unreadable"
        return "holes" if "partial" in self.adapted.patient.lists.values() else "whole"


class Probe:
    """A profile under test, on the day ``today``. Everything is worked out once."""

    def __init__(self, given: Given, today: date) -> None:
        self.given, self.today = given, today
        self.profile = profiles.load(given.profile)
        self.found, self.others = samples.find(given.samples, self.profile)
        self._ones: list[One] | None = None
        self._survey: Surveyed | None = None
        self._targets: list[Target] | None = None

    def ones(self) -> Sequence[One]:
        """Return the samples as they are read; Untested where there are none."""
        if not self.found:
            more = f"; {self.others} other files lie there" if self.others else ""
            raise Untested(f"no sample (.json, .ndjson) lies in the folder{more}")
        if self._ones is None:
            self._ones = [self._one(sample) for sample in self.found]
        return self._ones

    def _one(self, sample: Sample) -> One:
        try:
            reading, adapted = sample.read(self.profile, self.today)
        except InputError as error:
            return One(sample, error=error)
        return One(sample, reading, adapted)

    def readable(self) -> list[tuple[Sample, Reading, Adapted]]:
        """Return the samples that can be read; Untested where none can."""
        found = [(one.sample, one.reading, one.adapted) for one in self.ones() if one.reading and one.adapted]
        if not found:
            raise Untested("no sample can be read (see samples.read)")
        return found

    def survey(self) -> Surveyed:
        """Return what the samples feed."""
        if self._survey is None:
            tally = Coverage(self.today, self.profile.name)
            for _, reading, adapted in self.readable():
                tally.add(reading, adapted)
            self._survey = Surveyed(tally, tally, 0)
        return self._survey

    def golden_of(self, one: One, day: date) -> Golden:
        """Return what a sample gives on a day, in the form of a golden file."""
        try:
            return golden.of(one.sample.read(self.profile, day)[1])
        except InputError as error:
            return golden.error(error.code, self.profile.name, day)

    def targets(self) -> list[Target]:
        """Return the resources that are changed, a few of each sample; Untested where there are none."""
        if self._targets is None:
            readable = [sample for sample, _, _ in self.readable()]
            most = max(_FEWEST, _MOST // len(readable))
            held = [trying.targets(one, self.profile, self.today, most) for one in readable[: _MOST // _FEWEST]]
            self._targets = [one for part in held for one in part]
        if not self._targets:
            raise Untested("no sample holds a resource that tells anything")
        return self._targets

    def tried(self, mutation: str) -> list[Tried]:
        """Return what became of one way of being wrong, over all targets that it fits."""
        way = BY_ID[mutation]
        fitting = [one for one in self.targets() if one.resource["resourceType"] in way.types]
        return [found for one in fitting if (found := one.tried(way)) is not None]

    def left_out(self) -> Counter[tuple[str, str, str]]:
        """Return (type and path without numbers, reason, what it would tell) → how often."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for _, _, adapted in self.readable():
            for one in adapted.patient.refusals:
                counts[_place(one.reference, one.path), one.reason, one.key or ""] += 1
        return counts


def _place(reference: str, path: str) -> str:
    plain = "".join(part.partition("]")[2] if n else part for n, part in enumerate(path.split("[")))
    return f"{reference.partition('/')[0]}.{plain}" if plain else reference.partition("/")[0]
