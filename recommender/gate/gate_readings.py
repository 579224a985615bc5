"""What a gate row reads in a chart: features, answers, problems, lists, and what was worked out of them.

A reading gives what was found, most often once. It never judges what follows: gates.py and crisis.py do.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from fhir_adapters import dates
from fhir_adapters.canonical import (
    CanonicalPatient,
    ConsentDecision,
    Diagnosis,
    Feature,
    FeatureVector,
    MedicationCourse,
    Refusal,
    ScaleScore,
)
from fhir_adapters.vector.latest import is_reading
from recommender.assessment import Attestation, ConsentDefault
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import GateRow
from recommender.dose import liver
from recommender.safety import chart as indexed
from recommender.safety.chart import is_active
from recommender.safety.triggers.measured import COMPARE, gap
from recommender.step import indications

_UNREADABLE = frozenset({"refused", "conflicting"})
_NEVER_ANSWERED = "item-missing"  # a form left the question out: asked for like one that was never put


@dataclass(frozen=True, slots=True)
class GateChart:
    """What gates are asked of: one patient on one day, what practitioners attested, and the site's consent rule.

    ``answers`` and ``refused`` are those to the scales, by ``scale/part``. ``focus`` names the condition that is
    planned for, ``none`` without one.
    """

    patient: CanonicalPatient
    features: FeatureVector
    knowledge: Knowledge
    attestations: tuple[Attestation, ...]
    consent_default: ConsentDefault
    answers: Mapping[str, Sequence[ScaleScore]]
    refused: Mapping[str, Sequence[Refusal]]
    focus: str

    @property
    def day(self) -> date:
        """The date of the assessment."""
        return self.features.as_of


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that holds, its message, and the day (with the instant in UTC where known) of what it found.

    ``day`` is the last day that a date can mean, None where none is known.
    """

    row: GateRow
    message: str
    day: date | None = None
    moment: str | None = None


def chart(
    patient: CanonicalPatient,
    features: FeatureVector,
    knowledge: Knowledge,
    attestations: Iterable[Attestation],
    consent_default: ConsentDefault,
) -> GateChart:
    """Index a patient for the gates."""
    answers: defaultdict[str, list[ScaleScore]] = defaultdict(list)
    for score in patient.scales:
        answers[f"{score.scale}/{score.part}"].append(score)
    refused: defaultdict[str, list[Refusal]] = defaultdict(list)
    for one in patient.refusals:
        if one.key is not None:
            refused[one.key.replace(".", "/", 1)].append(one)
    return GateChart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        attestations=tuple(attestations),
        consent_default=consent_default,
        answers=dict(answers),
        refused=dict(refused),
        focus=indications.focus_name(patient, features, knowledge),
    )


def hits(row: GateRow, chart: GateChart) -> tuple[Hit, ...]:
    """Return what ``row`` finds, empty when it does not hold."""
    kind, _, name = row.reads.partition(":")
    if (row.taking and not _takes(row.taking, chart)) or (row.focus and chart.focus not in row.focus):
        return ()
    if name == "antidepressant_days" and not indications.antidepressants(
        chart.patient, chart.features, chart.knowledge
    ):
        return ()  # what is taken for something else is no treatment to judge
    return _READINGS[kind](row, name, chart)


def within(day: date | None, chart: GateChart, window: int | None) -> bool:
    """Say whether a day is in the window that ends on the day of the assessment; an unknown day is."""
    return day is None or window is None or (chart.day - day).days <= window


def last_day(score: ScaleScore) -> date | None:
    """Return the last day on which a question can have been answered, None when no date is known."""
    return dates.last_day(score.effective, score.source.repairs) if score.effective else None


def in_force(consent: ConsentDecision, day: date) -> bool:
    """Say whether a Consent holds on a day; one without a start or an end has none."""
    return (consent.start is None or consent.start <= day) and (consent.end is None or consent.end >= day)


def _takes(name: str, chart: GateChart) -> bool:
    """Say whether a drug or a class is taken; ``-name`` asks that it is not, ``a+b`` for both."""
    if name.startswith("-"):
        return not _takes(name[1:], chart)
    return all(bool(_courses(one, chart)) for one in name.split("+"))


def _courses(name: str, chart: GateChart) -> list[MedicationCourse]:
    """Return the courses, taken now, of a drug or a class."""
    members = chart.knowledge.classes.get(name, frozenset({name}))
    return [
        course
        for course in chart.patient.medications
        if is_active(course, chart.day) and not members.isdisjoint(course.ingredients)
    ]


def _feature(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    feature = chart.features.features[name]
    if row.operator in _OF_STATUS:
        told = _told(row, day=feature.effective, reason=gap(feature))
        # Of what was never answered, any assessment is the later word.
        found = replace(told, day=date.min) if feature.status == "missing" else told
        return (found,) if _stands(row, feature, chart) else ()
    if feature.status != "present" or feature.value is None:
        return ()
    if row.operator == "=":
        return (_told(row, row.value, feature.effective),) if feature.value == row.value else ()
    value = chart.features.number(name)
    return () if value is None or not _compares(row, value) else (_told(row, f"{value:g}", feature.effective),)


def _stands(row: GateRow, feature: Feature, chart: GateChart) -> bool:
    """``absent``: no value to go by; ``unreadable``: something was answered, not long ago, and nobody can tell what."""
    return _OF_STATUS[row.operator](feature) and within(feature.effective, chart, row.window_days)


_OF_STATUS: Mapping[str, Callable[[Feature], bool]] = {
    "absent": lambda feature: feature.status != "present",
    "unreadable": lambda feature: feature.status in _UNREADABLE and feature.reason != _NEVER_ANSWERED,
    "conflicting": lambda feature: feature.status == "conflicting",
}


def _compares(row: GateRow, value: float) -> bool:
    """``between`` holds from its lower value on and below its upper one."""
    if row.operator == "between":
        low, high = map(float, row.value.split(";"))
        return low <= value < high
    return value == float(row.value) if row.operator == "=" else COMPARE[row.operator](value, float(row.value))


def _scale(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    """Return the answers that count: all of the last day that has one, and those without a date."""
    if row.operator == "unreadable":
        return _unread(row, name, chart)
    scores = chart.answers.get(name)
    if scores is None:
        return ()
    counted = [one for one in scores if _compares(row, one.value) and within(last_day(one), chart, row.window_days)]
    newest = max((day for one in counted if (day := last_day(one))), default=None)
    return tuple(
        replace(_told(row, f"{one.value:g}", one.effective), day=last_day(one), moment=one.moment)
        for one in counted
        if last_day(one) in (None, newest)
    )


def _unread(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    """Return an answer that could not be read, unless the question was answered readably on a later day."""
    if name not in chart.refused:
        return ()
    answered = [one.effective for one in chart.answers.get(name, ())]
    last = max((day for day in answered if day is not None and day <= chart.day), default=date.min)
    for one in chart.refused[name]:
        lost = is_reading(one) and one.reason != _NEVER_ANSWERED and within(one.effective, chart, row.window_days)
        if lost and (one.effective or date.max) >= last:
            return (_told(row, day=one.effective, reason=f"could not be used ({one.reason.replace('-', ' ')})"),)
    return ()


def _condition(row: GateRow, key: str, chart: GateChart) -> tuple[Hit, ...]:
    """Return the problems that count; of a row that nothing settles, the first is enough.

    ``unlisted``: that there is none, now or earlier, and that no order of the drugs gives another reason than the
    row's value.
    """
    if row.operator == "unlisted":
        listed = any(key in one.keys for one in chart.patient.diagnoses)
        taken = (one for name in row.taking.split("+") for one in _courses(name, chart))
        stated = any(one.taken_for and row.value not in one.reasons for one in taken)
        return () if listed or stated else (_told(row),)
    found = [one for one in chart.patient.diagnoses if key in one.keys and _meant(row, one, chart)]
    told = tuple(_told(row, day=one.onset, certain=one.certain) for one in found)
    return told if row.assessed_by else told[:1]


def _meant(row: GateRow, diagnosis: Diagnosis, chart: GateChart) -> bool:
    """``active`` now; ``recent`` begun within the window, or active without a known beginning; ``ever``."""
    code = (diagnosis.code or "").rpartition("|")[2].replace(".", "")
    if code in row.except_codes or (row.only_codes and code not in row.only_codes):
        return False
    if row.operator == "ever":
        return True
    if row.operator == "active":
        return diagnosis.active
    return diagnosis.active if diagnosis.onset is None else within(diagnosis.onset, chart, row.window_days)


def _list(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    wanted = "partial" if row.operator == "partial" else "not-supplied"
    return (_told(row),) if chart.patient.lists.get(name, "not-supplied") == wanted else ()


def _consent(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    """Hold where the site asks for a permission first and none is in force; one for other purposes is none."""
    permits = (one for one in chart.patient.consents if one.decision == "permit" and in_force(one, chart.day))
    return (_told(row),) if chart.consent_default == "opt-in" and not any(permits) else ()


def _deceased(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    return (_told(row),) if chart.patient.deceased else ()


def _depression(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    """``absent``: a list supplied whole shows none; ``unknown``: one read in part; ``doubted``: none is certain."""
    if indications.has_depression(chart.patient, chart.features, chart.knowledge):
        return ()
    doubted = indications.doubted_depression(chart.patient, chart.knowledge)
    if doubted is not None or row.operator == "doubted":
        return (_told(row, day=doubted.onset),) if doubted and row.operator == "doubted" else ()
    needed = "supplied" if row.operator == "absent" else "partial"
    return (_told(row),) if chart.patient.lists.get("conditions") == needed else ()


def _trials(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    number = indications.trials(chart.patient, chart.features, chart.knowledge)
    return (_told(row, str(number)),) if number is not None and number >= float(row.value) else ()


def _child_pugh(row: GateRow, name: str, chart: GateChart) -> tuple[Hit, ...]:
    """Hold where the class can be no other than the row's; one that cannot be graded is asked for by the rules."""
    triggers, table = chart.knowledge.triggers, chart.knowledge.doses.child_pugh
    keys = {key for one in table.triggers for key in triggers["diagnosis", one].row.possible}
    disease = next((one for one in chart.patient.diagnoses if one.active and not keys.isdisjoint(one.keys)), None)
    if disease is None:
        return ()
    points = liver.score(indexed.chart(chart.patient, chart.features, chart.knowledge))
    low, high = table.classes[row.value]
    if not low <= points.low <= points.high <= high:
        return ()
    found = ", ".join(points.found)
    return (_told(row, f"Child-Pugh class {row.value} ({found} with “{disease.text}”)", disease.onset),)


def _told(row: GateRow, value: str = "", day: date | None = None, reason: str = "", *, certain: bool = True) -> Hit:
    when = (str(day) if day else "a day not recorded") + ("" if certain else ", not certain")
    return Hit(row, row.message.format(value=value, date=when, reason=reason), day)


_READINGS: Mapping[str, Callable[[GateRow, str, GateChart], tuple[Hit, ...]]] = {
    "feature": _feature,
    "scale": _scale,
    "condition": _condition,
    "list": _list,
    "consent": _consent,
    "deceased": _deceased,
    "depression": _depression,
    "trials": _trials,
    "child_pugh": _child_pugh,
}


def with_effect(found: Iterable[Hit], effect: str) -> tuple[Hit, ...]:
    """Return the hits of one effect."""
    return tuple(hit for hit in found if hit.row.effect == effect)
