"""What the rules ask of one patient, indexed once: drugs by name, problems by key, and the gaps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from fhir_adapters.canonical import (
    CanonicalPatient,
    Diagnosis,
    FeatureVector,
    ListState,
    MedicationCourse,
)
from recommender.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Outcome:
    """The three-valued answer to one trigger: ``holds`` is None when it is not known.

    ``found`` says in words what was found; ``missing`` names the input that was not there and ``why`` says
    what is wrong with it; ``facts`` are the resources behind it. ``seen``: what the rule warns of is on record,
    and only its date is missing.
    """

    holds: bool | None
    found: str = ""
    value: str = ""
    day: date | None = None
    missing: str = ""
    why: str = ""
    facts: tuple[str, ...] = ()
    seen: bool = False


FALSE = Outcome(False)


@dataclass(frozen=True, slots=True)
class Taken:
    """One course with the formulary names that it counts as (a combination counts as itself too)."""

    names: frozenset[str]
    course: MedicationCourse

    @property
    def label(self) -> str:
        """The drug in words: its ingredients, else the text of the order."""
        return " with ".join(self.course.ingredients) or self.course.text


@dataclass(frozen=True, slots=True)
class Subject:
    """The drug that is judged: ``name`` in the formulary, ``names`` under which a chart may hold it.

    ``taken`` says whether a course, present or past, holds it: a drug never interacts with itself.
    """

    name: str
    names: frozenset[str]
    taken: bool

    @property
    def spoken(self) -> str:
        """The name as it is read aloud."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient on one day, ready to be asked. ``answers`` keeps what was already worked out by
    trigger, ``shared`` by rule what is the same whatever the drug.

    ``names`` and ``classes`` are those of all courses, present and past. ``unnamed`` counts the drugs, present or
    stopped within the longest wash-out, that nobody could identify.
    """

    patient: CanonicalPatient
    features: FeatureVector
    knowledge: Knowledge
    active: tuple[Taken, ...]
    stopped: tuple[Taken, ...]
    names: frozenset[str]
    classes: frozenset[str]
    unnamed: int
    present: Mapping[str, Diagnosis]
    past: Mapping[str, Diagnosis]
    answers: dict[object, Outcome] = field(default_factory=dict[object, Outcome])
    shared: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    @property
    def day(self) -> date:
        """The date of the assessment."""
        return self.features.as_of

    def state(self, name: str) -> ListState:
        """Say whether the list ``name`` was supplied whole, in part or not at all."""
        return self.patient.lists.get(name, "not-supplied")


def chart(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> Chart:
    """Index a patient for the rules."""
    taken = tuple(_taken(course, knowledge) for course in patient.medications)
    active = tuple(one for one in taken if is_active(one.course, features.as_of))
    stopped = tuple(one for one in taken if not is_active(one.course, features.as_of))
    recent = (one for one in stopped if _days_since(one.course.stop, features.as_of) <= knowledge.longest_wash_out)
    nameless = sum(not one.names and not one.course.classes for one in (*active, *recent))
    return Chart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        active=active,
        stopped=stopped,
        names=frozenset(name for one in taken for name in one.names),
        classes=frozenset(name for one in taken for name in one.course.classes),
        unnamed=nameless,
        present=_by_key(one for one in patient.diagnoses if one.active),
        past=_by_key(one for one in patient.diagnoses if not one.active),
    )


def subject(ingredient: str, chart: Chart) -> Subject:
    """Return the drug to be judged, by its ingredient or formulary name."""
    row = chart.knowledge.drug(ingredient)
    name = ingredient if row is None else row.ingredient
    names = frozenset({ingredient, name}) if row is None else row.substances | {ingredient, name}
    return Subject(name, names, taken=not names.isdisjoint(chart.names))


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
    found: dict[str, Diagnosis] = {}
    for diagnosis in diagnoses:
        for key in diagnosis.keys:
            found.setdefault(key, diagnosis)
    return found
