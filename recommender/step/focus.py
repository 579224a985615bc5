"""Which condition is planned for: of the treated ones on the problem list, the first in the order of conditions.csv."""

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_adapters.canonical import CanonicalPatient, Diagnosis, FeatureVector
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import TreatedCondition
from recommender.step.step_rows import Phase
from recommender.step.step_tables import UNFOCUSED

DEPRESSION = "major-depressive-disorder"


@dataclass(frozen=True, slots=True)
class Focus:
    """The condition that is planned for.

    ``names`` are those under which guideline rows hold it: its own, and that of its phase where the code tells one;
    ``words`` say it aloud, the phase where there is one. ``indication`` is the formulary's key, empty while the phase
    is not known. ``diagnoses`` are the problems behind it, ``keys`` theirs in terminology/conditions.csv.
    """

    name: str
    words: str
    names: tuple[str, ...]
    indication: str
    drafting: bool
    keys: frozenset[str]
    diagnoses: tuple[Diagnosis, ...]

    @property
    def phase(self) -> str | None:
        """The phase that the code tells, the name itself for a condition without phases, None where it is open."""
        return self.names[-1] if self.indication else None


def focus(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> Focus | None:
    """Return the condition that is planned for, None where none is certain."""
    name = focus_name(patient, features, knowledge)
    rows = [row for row in knowledge.treated.values() if row.name == name]
    if not rows:
        return None
    keys = frozenset(row.key for row in rows)
    found = tuple(one for one in _certain(patient) if not keys.isdisjoint(one.keys))
    phased = tuple(one for one in knowledge.steps.phases if one.condition == name)
    phase = _phase(phased, found)
    return Focus(
        name=name,
        words=phase.words if phase else rows[0].words,
        names=(name, phase.phase) if phase else (name,),
        indication=phase.indication if phase else "" if phased else rows[0].indication,
        drafting=rows[0].drafting,
        keys=keys,
        diagnoses=found,
    )


def _phase(phased: Iterable[Phase], found: Iterable[Diagnosis]) -> Phase | None:
    """Return the one phase that the codes tell, None where they tell none or contradict each other."""
    codes = [_code(one) for one in found]
    told = {one.phase: one for one in phased if any(code.startswith(one.code) for code in codes)}
    return next(iter(told.values())) if len(told) == 1 else None


def focus_name(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> str:
    """Return the name of the condition that is planned for, ``none`` where none is certain."""
    held = {key for one in _certain(patient) for key in one.keys}
    depressed = has_depression(patient, features, knowledge)
    orders = {
        row.order: row.name
        for row in knowledge.treated.values()
        if row.order is not None and (row.key in held or (depressed and row.name == DEPRESSION))
    }
    return orders[min(orders)] if orders else UNFOCUSED


def conditions(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> tuple[str, ...]:
    """Return the names of the treated conditions on the problem list, the one that is planned for first.

    A problem that is not certain is no indication, though it speaks against drugs (``triggers``).
    """
    keys = {key for one in _certain(patient) for key in one.keys}
    first = focus_name(patient, features, knowledge)
    named = dict.fromkeys(row.name for row in knowledge.treated.values() if row.key in keys)
    depressed = {DEPRESSION: None} if has_depression(patient, features, knowledge) else {}
    return tuple(({first: None} if first != UNFOCUSED else {}) | depressed | named)


def has_depression(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> bool:
    """Say whether a depressive disorder is known: on the problem list, or as the feature says."""
    keys = depression_keys(knowledge)
    listed = any(not keys.isdisjoint(one.keys) for one in _certain(patient))
    return listed or features.number("depression") == 1


def doubted_depression(patient: CanonicalPatient, knowledge: Knowledge) -> Diagnosis | None:
    """Return a depressive disorder on the problem list that the record itself leaves in doubt, None without one."""
    keys = depression_keys(knowledge)
    doubted = (one for one in patient.diagnoses if one.active and not one.certain)
    return next((one for one in doubted if not keys.isdisjoint(one.keys)), None)


def depression_keys(knowledge: Knowledge) -> frozenset[str]:
    """Return the condition keys that count as the depression that is treated here."""
    return frozenset(row.key for row in rows_of(DEPRESSION, knowledge))


def rows_of(name: str, knowledge: Knowledge) -> tuple[TreatedCondition, ...]:
    """Return the rows of a treated condition."""
    return tuple(row for row in knowledge.treated.values() if row.name == name)


def _certain(patient: CanonicalPatient) -> tuple[Diagnosis, ...]:
    return tuple(one for one in patient.diagnoses if one.active and one.certain)


def _code(diagnosis: Diagnosis) -> str:
    return (diagnosis.code or "").rpartition("|")[2].replace(".", "")
