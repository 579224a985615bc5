"""What the same rules say of the drugs that a patient already takes, and of their doses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fhir_adapters.canonical import Adapted, MedicationCourse
from recommender.assessment import CurrentDrug, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.dose import dose_check
from recommender.safety import other_use, rules
from recommender.safety.findings import Finding

_TAKEN = frozenset({"taking", "ordered", "reported", "unknown"})
_BY_MOUTH = frozenset({"oral", None})  # ceilings of the formulary are of what is swallowed


def judged(adapted: Adapted, knowledge: Knowledge) -> tuple[CurrentDrug, ...]:
    """Return the present drugs by name with what the rules say of each, a dose above its ceiling first."""
    found: dict[str, CurrentDrug] = {}
    doses: dict[str, list[float]] = {}
    treating: set[str] = set()
    for ingredient, course in _courses(adapted.patient.medications):
        mg = course.dose_mg_per_day
        doses.setdefault(ingredient, []).extend([] if mg is None or course.route not in _BY_MOUTH else [mg])
        first = CurrentDrug(ingredient, (), course.start, mg, course.source.reference)
        found.setdefault(ingredient, first)
        treating |= {ingredient} if other_use.of(course, knowledge) is None else set[str]()
    findings = rules.evaluate_all(sorted(found), adapted.patient, adapted.features, knowledge, current=True)
    twice = _ordered_twice(adapted.patient.medications)
    return tuple(
        replace(
            found[name],
            reasons=(*twice.get(name, ()), *_said(name, doses[name], findings[name], adapted, knowledge)),
            other_use=name not in treating and knowledge.in_class(name, "antidepressant"),
        )
        for name in sorted(found)
    )


def _courses(medications: Sequence[MedicationCourse]) -> Iterator[tuple[str, MedicationCourse]]:
    for course in medications:
        if course.taking in _TAKEN:
            yield from ((ingredient, course) for ingredient in course.ingredients)


def _ordered_twice(medications: Sequence[MedicationCourse]) -> Mapping[str, tuple[Reason, ...]]:
    """Return by ingredient that a chart holds several orders of it for the same time: which is taken is a question."""
    orders: dict[str, list[MedicationCourse]] = {}
    for ingredient, course in _courses(medications):
        if course.duplicates:
            orders.setdefault(ingredient, []).append(course)
    return {name: (_twice(name, courses),) for name, courses in orders.items()}


def _twice(name: str, courses: Sequence[MedicationCourse]) -> Reason:
    references = tuple(sorted({r for one in courses for r in (one.source.reference, *one.duplicates)}))
    doses = [one.dose_mg_per_day for one in courses]
    known = [mg for mg in doses if mg is not None] if len(courses) == len(references) else []
    together = f"; together {sum(known):g} mg a day" if len(known) == len(references) else ""
    text = f"{name.capitalize()} stands in {len(references)} orders for the same time{together}: ask what is taken."
    return Reason("ORDERED-TWICE", "warning", text, "POLICY", verified=False, facts=references)


def _said(
    name: str, doses_mg: Sequence[float], findings: Sequence[Finding], adapted: Adapted, knowledge: Knowledge
) -> tuple[Reason, ...]:
    above = dose_check.taken_above(name, doses_mg, findings, adapted.features, knowledge)
    reasons = tuple(one.reason for one in findings)
    return reasons if above is None else (above, *reasons)
