"""The dose to begin with and the ceiling after every adjustment, in strengths that can be dispensed."""

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Dose, Reason
from recommender.knowledge import Knowledge
from recommender.rows import Drug, Orderable
from recommender.rules import Finding

UNITS = (1.0, 2.0)
HALF = 0.5
EXACT_MG = 1e-6


@dataclass(frozen=True, slots=True)
class _Limit:
    mg: float
    words: str


def dose(ingredient: str, findings: Sequence[Finding], features: FeatureVector, knowledge: Knowledge) -> Dose | Reason:
    """Return the dose in mg a day, or a Reason (rule ``DRAFT-…``) that says why no draft can be made.

    The ceiling is the least of the formulary's maximum, the one for age, the rules of dose and the ceilings
    in ``findings``; each that lowers it is named. The start never exceeds the ceiling.
    """
    drug = knowledge.drug(ingredient)
    if drug is None:
        return _refusal("DRAFT-FORMULARY", f"{ingredient} is not in the formulary.", "", False)
    undraftable = _undraftable(drug)
    if undraftable:
        return undraftable
    if drug.start_mg is None or drug.max_mg is None or drug.doses_per_day is None:
        text = f"{drug.ingredient} has no start, ceiling or daily schedule that is a plain number."
        return _of(drug, "DRAFT-DOSE", text)
    limits = _limits(drug, drug.max_mg, findings, features, knowledge)
    ceiling = min((limit.mg for limit in limits), default=drug.max_mg)
    start = min(_start(drug, drug.start_mg, features), ceiling)
    chosen = _choose(knowledge.orderables[drug.ingredient], start / drug.doses_per_day)
    if chosen is None:
        text = f"No verified tablet or capsule of {drug.ingredient} gives {start:g} mg a day to begin with."
        return _of(drug, "DRAFT-ORDERABLE", text)
    return Dose(
        start_mg_per_day=start,
        max_mg_per_day=ceiling,
        doses_per_day=drug.doses_per_day,
        adjusted_by=tuple(limit.words for limit in limits),
        titration=_titration(drug, ceiling, knowledge),
        orderable=chosen.rxnorm,
        orderable_name=chosen.name,
        strength_mg=chosen.strength_mg,
    )


def units_per_dose(one: Dose) -> float:
    """Return how many tablets or capsules one administration of the starting dose takes."""
    return one.start_mg_per_day / one.doses_per_day / one.strength_mg


def _undraftable(drug: Drug) -> Reason | None:
    if drug.schedule != "none":
        return _of(drug, "DRAFT-SCHEDULE", f"{drug.ingredient} is a controlled drug ({drug.schedule}).")
    faults = [
        *(["code"] if drug.code_verified != "yes" else []),
        *(["dose"] if drug.dose_verified != "label" else []),
    ]
    if faults or not drug.basis.verified:
        words = " and ".join(faults) or "row"
        verb = "are" if len(faults) > 1 else "is"
        return _of(drug, "DRAFT-UNVERIFIED", f"The {words} of {drug.ingredient} {verb} not verified.")
    return None


def _of(drug: Drug, rule: str, message: str) -> Reason:
    return _refusal(rule, message.replace("_", " "), drug.basis.source, drug.basis.verified)


def _refusal(rule: str, message: str, source: str, verified: bool) -> Reason:
    return Reason(rule, "none", message[:1].upper() + message[1:], source, verified)


def _limits(
    drug: Drug, highest: float, findings: Sequence[Finding], features: FeatureVector, knowledge: Knowledge
) -> tuple[_Limit, ...]:
    """Return the ceilings below the formulary's own, lowest first, one for each value and source of it."""
    capped = [
        _Limit(one.cap_mg_per_day, f"{one.reason.rule}: {one.reason.message}")
        for one in findings
        if one.cap_mg_per_day is not None
    ]
    ruled = [
        _Limit(rule.cap_mg, f"{rule.id}: {drug.ingredient} never above {rule.cap_mg:g} mg a day.")
        for rule in knowledge.rules_of[drug.ingredient]
        if rule.kind == "dose" and rule.cap_mg is not None
    ]
    found = [limit for limit in capped + ruled if limit.mg < highest]
    aged = _for_age(drug, features)
    if aged and aged.mg < highest and all(limit.mg != aged.mg for limit in found):
        found.append(aged)
    return tuple(sorted(found, key=lambda limit: limit.mg))


def _for_age(drug: Drug, features: FeatureVector) -> _Limit | None:
    """Return the ceiling of later life; an age that is not known counts as old."""
    if drug.geriatric_max_mg is None or not _old(drug, features):
        return None
    age = features.number("age")
    words = "age is not known" if age is None else f"age {age:g}"
    name = drug.ingredient.replace("_", " ")
    return _Limit(drug.geriatric_max_mg, f"FORMULARY: {words}, {name} {drug.geriatric_max_mg:g} mg a day.")


def _old(drug: Drug, features: FeatureVector) -> bool:
    age = features.number("age")
    return age is None or (drug.geriatric_from_age is not None and age >= drug.geriatric_from_age)


def _start(drug: Drug, start: float, features: FeatureVector) -> float:
    if drug.geriatric_start_mg is None or not _old(drug, features):
        return start
    return min(start, drug.geriatric_start_mg)


def _choose(orderables: tuple[Orderable, ...], each_mg: float) -> Orderable | None:
    """Return the product for one administration: one unit, else two, else half a tablet that may be split."""
    for units in (*UNITS, HALF):
        for one in orderables:
            splittable = one.form == "tablet" and one.release == "immediate"
            if (units != HALF or splittable) and abs(one.strength_mg * units - each_mg) < EXACT_MG:
                return one
    return None


def _titration(drug: Drug, ceiling: float, knowledge: Knowledge) -> str:
    low, high = (min(mg or ceiling, ceiling) for mg in (drug.usual_min_mg, drug.usual_max_mg))
    usual = f"Usual {low:g} mg a day" if low == high else f"Usual {low:g} to {high:g} mg a day"
    decisions = (row.message for row in knowledge.guideline_steps if row.kind == "decision")
    return " ".join((f"{usual}, ceiling {ceiling:g} mg a day.", *decisions))
