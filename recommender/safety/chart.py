"""What the rules ask of one patient, indexed once: drugs by name, problems by key, and the gaps."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec

from fhir_adapters.canonical import (
    CanonicalPatient,
    Diagnosis,
    FeatureVector,
    ListState,
    MedicationCourse,
)
from recommender.catalog.knowledge import Knowledge
from recommender.gene.gene_states import GeneState, states
from recommender.ranker.outcomes import Unlisted, unlisted

_RELEASE = re.compile(r" (er|xr)$")  # a release is written ER as on the label


class Taken(msgspec.Struct, frozen=True, gc=False):
    """One course with the formulary names that it counts as (a combination counts as itself too)."""

    names: frozenset[str]
    course: MedicationCourse

    @property
    def label(self) -> str:
        """The drug in words: its ingredients, else the text of the order."""
        return " with ".join(self.course.ingredients) or self.course.text


class Subject(msgspec.Struct, frozen=True, gc=False):
    """The drug that is judged: ``name`` in the formulary, ``names`` under which a chart may hold it, ``spoken`` aloud.

    ``taken`` says whether a course, present or past, holds it. A drug never interacts with itself: ``own`` are the
    names and ``own_classes`` the classes of the present courses that hold nothing else, ``stopped`` says whether there
    are such past ones. Nor does one that is taken already with what its own fixed combination holds: ``product`` is the
    reference of the one course that it is taken in, empty for a drug that is considered or taken in two.
    """

    name: str
    names: frozenset[str]
    spoken: str
    taken: bool
    own: frozenset[str] = frozenset()
    own_classes: frozenset[str] = frozenset()
    stopped: bool = False
    product: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient on one day, ready to be asked. ``genes`` is empty where none was tested.

    ``names`` and ``classes`` are those of all courses, present and past. ``unnamed`` counts the drugs, present or
    stopped within the longest wash-out, that nobody could identify. ``unreviewed`` are the labels of those with an
    ingredient that nobody considered when the classes were written: to a rule that looks for a class they are unknown.
    ``classed`` are present drugs of which no more than a class is known. ``allergens`` are names and classes alike.
    """

    patient: CanonicalPatient
    features: FeatureVector
    knowledge: Knowledge
    active: tuple[Taken, ...]
    stopped: tuple[Taken, ...]
    names: frozenset[str]
    classes: frozenset[str]
    unnamed: int
    unreviewed: tuple[str, ...]
    classed: tuple[Taken, ...]
    present: Mapping[str, Diagnosis]
    past: Mapping[str, Diagnosis]
    allergens: frozenset[str]
    unlisted: Unlisted
    genes: Mapping[str, GeneState]

    @property
    def day(self) -> date:
        """The date of the assessment."""
        return self.features.as_of

    def state(self, name: str) -> ListState:
        """Say whether the list ``name`` was supplied whole, in part or not at all."""
        return self.patient.lists.get(name, "not-supplied")


def chart(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> Chart:
    """Index a patient for the rules."""
    active: list[Taken] = []
    stopped: list[Taken] = []
    for course in patient.medications:
        (active if is_active(course, features.as_of) else stopped).append(_taken(course, knowledge))
    taken = (*active, *stopped)
    recent = (one for one in stopped if _days_since(one.course.stop, features.as_of) <= knowledge.longest_wash_out)
    unclassed = [one for one in (*active, *recent) if not one.course.classes]
    unnamed = sum(not one.names for one in unclassed)
    unreviewed = tuple(dict.fromkeys(one.label for one in unclassed if not knowledge.reviewed >= one.names))
    return Chart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        active=tuple(active),
        stopped=tuple(stopped),
        names=frozenset(name for one in taken for name in one.names),
        classes=frozenset(name for one in taken for name in one.course.classes),
        unnamed=unnamed,
        unreviewed=unreviewed,
        classed=tuple(
            one for one in active if one.course.classes and not (one.names and knowledge.reviewed >= one.names)
        ),
        present=_by_key(one for one in patient.diagnoses if one.active),
        past=_by_key(one for one in patient.diagnoses if not one.active),
        allergens=frozenset(name for one in patient.allergies for name in (*one.ingredients, *one.classes)),
        unlisted=unlisted(patient, knowledge.reviewed, unnamed, unreviewed),
        genes=states(patient, knowledge.pgx) if patient.genotypes else {},
    )


def subject(ingredient: str, chart: Chart, *, current: bool = False) -> Subject:
    """Return the drug to be judged, by its ingredient or formulary name; ``current`` where it is taken already."""
    row = chart.knowledge.drug(ingredient)
    name = ingredient if row is None else row.ingredient
    names = frozenset({ingredient, name}) if row is None else row.substances
    if name not in names or ingredient not in names:
        names |= {ingredient, name}
    spoken = _RELEASE.sub(lambda found: found[0].upper(), name.replace("_", " "))
    if names.isdisjoint(chart.names):
        return Subject(name, names, spoken, taken=False)
    own = [one for one in chart.active if one.names and one.names <= names]
    held = frozenset(name for one in own for name in one.names)
    classes = frozenset(name for one in own for name in one.course.classes)
    stopped = any(one.names and one.names <= names for one in chart.stopped)
    holding = [one.course.source.reference for one in chart.active if one.names & names]
    product = holding[0] if current and len(holding) == 1 else ""
    return Subject(name, names, spoken, taken=True, own=held, own_classes=classes, stopped=stopped, product=product)


def is_active(course: MedicationCourse, day: date) -> bool:
    """Say whether a course counts as taken: everything but a stop that has already come."""
    return course.taking != "stopped" or (course.stop is not None and course.stop > day)


def _taken(course: MedicationCourse, knowledge: Knowledge) -> Taken:
    held = frozenset(course.ingredients)
    if len(held) < 2:
        return Taken(held, course)
    combined = {name for name, substances in knowledge.combinations.items() if substances <= held}
    return Taken(held | combined, course)


def _days_since(stop: date | None, day: date) -> float:
    return float("inf") if stop is None else (day - stop).days


def _by_key(diagnoses: Iterable[Diagnosis]) -> dict[str, Diagnosis]:
    """Return the first problem of each key, a certain one before one in doubt."""
    found: dict[str, Diagnosis] = {}
    for diagnosis in sorted(diagnoses, key=lambda one: not one.certain):
        for key in diagnosis.keys:
            found.setdefault(key, diagnosis)
    return found
