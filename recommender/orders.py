"""Orders that are being written, judged together by the rules and doses that judge a draft.

Each order meets the chart with the other orders as if they were taken; what an order does to the drugs that are
taken already is said too. Nothing is suggested here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import Adapted, CanonicalPatient, MedicationCourse
from fhir_adapters.medication.proposed import Proposed
from recommender.assess import worst
from recommender.assessment import SEVERITIES, CurrentDrug, Reason, Severity
from recommender.catalog.knowledge import Knowledge
from recommender.dose.dose_check import judge_dose
from recommender.safety import rules
from recommender.safety.chart import is_active
from recommender.safety.findings import Finding


@dataclass(frozen=True, slots=True)
class JudgedOrder:
    """What the rules say of one order. ``known``: all of its ingredients are in the formulary, so rules were asked.

    ``reasons`` are most serious first, blocking ones before all, each sentence once.
    """

    order: Proposed
    known: bool
    reasons: tuple[Reason, ...]

    @property
    def severity(self) -> Severity:
        """The highest severity among the reasons whose input is known."""
        return worst(self.reasons)

    @property
    def blocked(self) -> bool:
        """Whether a reason alone would exclude the drug from being drafted here."""
        return any(reason.blocks for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class JudgedOrders:
    """All orders of one hook call, and what they newly do to drugs that the patient takes."""

    orders: tuple[JudgedOrder, ...]
    present: tuple[CurrentDrug, ...]


def judge(orders: Sequence[Proposed], adapted: Adapted, knowledge: Knowledge) -> JudgedOrders:
    """Judge the orders of one patient as a set; a pure function of chart, orders and knowledge."""
    judged = tuple(_judged(order, orders, adapted, knowledge) for order in orders)
    return JudgedOrders(judged, _present(judged, orders, adapted, knowledge))


def _judged(order: Proposed, orders: Sequence[Proposed], adapted: Adapted, knowledge: Knowledge) -> JudgedOrder:
    names = order.course.ingredients
    others = [one for one in orders if one is not order and one.course.ingredients != names]
    patient = _with(adapted.patient, others, order)
    asked = [name for name in names if name in knowledge.drugs]
    again = order.repeats or any(set(names) & set(one.ingredients) for one in _taken(adapted))
    found = rules.evaluate_all(asked, patient, adapted.features, knowledge, current=again)
    reasons = [finding.reason for name in asked for finding in found[name]]
    if again and not order.repeats:
        reasons.append(_second(order))
    if len(asked) == 1 == len(names):
        alike = [one for one in orders if one.course.ingredients == names]
        reasons += _together(alike)
        reasons += _dose(asked[0], alike, found[asked[0]], adapted, knowledge, starting=not again)
    return JudgedOrder(order, bool(names) and len(asked) == len(names), _ordered(reasons))


def _second(order: Proposed) -> Reason:
    """A drug that is taken and ordered once more is most often a change of its dose: it is judged as that, and said."""
    return Reason(
        "ORDER-AGAIN",
        "caution",
        f"{_name(order).capitalize()} is taken already: read as a change of it.",
        "the chart",
        verified=True,
    )


def _with(patient: CanonicalPatient, others: Iterable[Proposed], order: Proposed) -> CanonicalPatient:
    """Return the patient with the other orders as taken, and without what the order itself replaces."""
    own = set(order.course.ingredients)
    kept = [
        course
        for course in patient.medications
        if course.source.reference != order.reference and not (own and own >= set(course.ingredients) != set())
    ]
    return replace(patient, medications=(*kept, *(one.course for one in others)))


def _together(alike: Sequence[Proposed]) -> tuple[Reason, ...]:
    """Say that a drug is ordered more than once in a set: in error, or split over the day."""
    if len(alike) < 2:
        return ()
    name = _name(alike[0]).capitalize()
    text = f"{name} stands in {len(alike)} orders of this set: their doses were added."
    return (Reason("ORDER-TWICE", "warning", text, "the orders", verified=True),)


def _dose(
    name: str,
    alike: Sequence[Proposed],
    findings: Sequence[Finding],
    adapted: Adapted,
    knowledge: Knowledge,
    *,
    starting: bool,
) -> tuple[Reason, ...]:
    """Judge what all orders of one drug come to on a day: each alone may stay below a ceiling that their sum passes."""
    doses = [one.course.dose_mg_per_day for one in alike]
    known = [mg for mg in doses if mg is not None]
    judged = judge_dose(name, sum(known), findings, adapted.features, knowledge, starting=starting) if known else ()
    return judged if len(known) == len(doses) else (*judged, _unread(name, len(doses), knowledge))


def _unread(name: str, orders: int, knowledge: Knowledge) -> Reason:
    drug = knowledge.drugs[name]
    one = f"this {name.replace('_', ' ')} order" if orders == 1 else f"one of the {name.replace('_', ' ')} orders"
    text = f"The daily dose of {one} could not be read, so it was not checked."
    return Reason(
        "DOSE-UNREAD", "caution", text, drug.basis.source, drug.basis.verified,
        unknown=True, missing="the daily dose", gap="could not be read",
    )  # fmt: skip


def _name(order: Proposed) -> str:
    return " with ".join(order.course.ingredients).replace("_", " ")


def _present(
    judged: Sequence[JudgedOrder], orders: Sequence[Proposed], adapted: Adapted, knowledge: Knowledge
) -> tuple[CurrentDrug, ...]:
    """Return what orders newly bring about for drugs that are taken: only those that no rule was asked about itself.

    What a judged order does to a drug that is taken is said of the order.
    """
    strangers = [one.order for one in judged if not one.known]
    taken = {name: course for course in _taken(adapted) for name in course.ingredients if name in knowledge.drugs}
    names = sorted(taken.keys() - {name for one in orders for name in one.course.ingredients})
    if not strangers or not names:
        return ()
    patient = replace(adapted.patient, medications=(*adapted.patient.medications, *(one.course for one in strangers)))
    before = _said(names, adapted.patient, adapted, knowledge)
    after = _said(names, patient, adapted, knowledge)
    found = {name: [one for one in after[name] if one not in before[name] and not one.unknown] for name in names}
    return tuple(CurrentDrug(name, _ordered(found[name])) for name in names if found[name])


def _said(
    names: Sequence[str], patient: CanonicalPatient, adapted: Adapted, knowledge: Knowledge
) -> Mapping[str, list[Reason]]:
    found = rules.evaluate_all(names, patient, adapted.features, knowledge, current=True)
    return {name: [finding.reason for finding in found[name]] for name in names}


def _taken(adapted: Adapted) -> list[MedicationCourse]:
    return [course for course in adapted.patient.medications if is_active(course, adapted.features.as_of)]


def _ordered(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    ranked = sorted(reasons, key=lambda one: (not one.blocks, one.unknown, SEVERITIES.index(one.severity)))
    return tuple({one.message: one for one in reversed(ranked)}.values())[::-1]
