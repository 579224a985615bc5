"""The dose to begin with and the ceiling after every adjustment, in strengths that can be dispensed."""

from collections.abc import Sequence

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Dose, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Drug, Orderable
from recommender.dose import dispensing, dose_limits, dose_words
from recommender.dose.dose_limits import Limit, Usual
from recommender.safety.findings import Finding


def dose(
    ingredient: str,
    findings: Sequence[Finding],
    features: FeatureVector,
    knowledge: Knowledge,
    indication: str | None = None,
) -> Dose | Reason:
    """Return the dose in mg a day, or a Reason (rule ``DRAFT-…``) that says why no draft can be made.

    The ceiling is the least of the usual maximum (of ``indication``, a key of the formulary, where it has a row of
    its own), the one for age, the rules of dose and the ceilings in ``findings``; each that lowers it is named. The
    start never exceeds the ceiling.
    """
    drug = dose_limits.row_of(ingredient, indication, knowledge)
    if drug is None:
        return _refusal("DRAFT-FORMULARY", f"{ingredient} is not in the formulary.", "", False)
    undraftable = _undraftable(drug)
    if undraftable:
        return undraftable
    doses = dose_limits.usual(drug)
    if doses is None or drug.doses_per_day is None:
        text = f"{drug.ingredient} has no start, ceiling or daily schedule that is a plain number."
        return _of(drug, "DRAFT-DOSE", text)
    interval = next((one for one in findings if one.interval), None)
    if interval is not None:
        return _interval(drug, interval)
    limits = dose_limits.ceilings(drug, doses, findings, features, knowledge)
    ceiling = min((limit.mg for limit in limits), default=doses.most)
    lowered = dose_limits.starts(drug, doses, findings, features)
    wanted = round(min((doses.start, ceiling, *(limit.mg for limit in lowered))), 3)
    start, chosen = _dispensed(knowledge.orderables[drug.ingredient], wanted, drug.doses_per_day, wanted < doses.start)
    if chosen is None:
        text = f"No verified tablet or capsule of {drug.ingredient} gives {wanted:g} mg a day to begin with."
        return _of(drug, "DRAFT-ORDERABLE", text)
    return Dose(
        start_mg_per_day=start,
        max_mg_per_day=ceiling,
        doses_per_day=drug.doses_per_day,
        adjusted_by=_adjusted_by(limits, lowered, wanted, start),
        titration=_titration(drug, doses, start, ceiling, findings, knowledge),
        orderable=chosen.rxnorm,
        orderable_name=chosen.name,
        strength_mg=chosen.strength_mg,
        pending=dose_words.pending(findings),
        form=chosen.form,
        bounds=dose_limits.bounds(drug, doses, limits, lowered),
    )


def units_per_dose(one: Dose) -> float:
    """Return how many tablets or capsules one administration of the starting dose takes."""
    return one.start_mg_per_day / one.doses_per_day / one.strength_mg


def _undraftable(drug: Drug) -> Reason | None:
    if drug.waived:
        return _of(drug, "DRAFT-FORMULARY", f"{drug.ingredient} is not on this site's formulary ({drug.waived}).")
    if drug.schedule != "none":
        return _of(drug, "DRAFT-SCHEDULE", f"{drug.ingredient} is a controlled drug ({drug.schedule}).")
    faults = [
        *(["code"] if drug.code_verified not in ("yes", "site") else []),
        *(["dose"] if drug.dose_verified not in ("label", "site") else []),
    ]
    if faults or not drug.basis.verified:
        words = " and ".join(faults) or "row"
        verb = "are" if len(faults) > 1 else "is"
        return _of(drug, "DRAFT-UNVERIFIED", f"The {words} of {drug.ingredient} {verb} not verified.")
    return None


def _interval(drug: Drug, found: Finding) -> Reason:
    plan = f"plan {drug.ingredient} with a pharmacist."
    text = f"{found.reason.message} That is {found.interval}, not one daily dose: {plan}"
    return _refusal("DRAFT-INTERVAL", text.replace("_", " "), found.reason.source, found.reason.verified)


def _of(drug: Drug, rule: str, message: str) -> Reason:
    return _refusal(rule, message.replace("_", " "), drug.basis.source, drug.basis.verified)


def _refusal(rule: str, message: str, source: str, verified: bool) -> Reason:
    return Reason(rule, "none", message[:1].upper() + message[1:], source, verified)


def _dispensed(
    orderables: Sequence[Orderable], wanted: float, times: int, lowered: bool
) -> tuple[float, Orderable | None]:
    """Return the start and its product; a lowered dose that cannot be dispensed becomes the next lower that can."""
    chosen = dispensing.choose(orderables, wanted / times)
    if chosen is not None or not lowered:
        return wanted, chosen
    each = dispensing.highest(orderables, wanted / times)
    return (wanted, None) if each is None else (each * times, dispensing.choose(orderables, each))


def _adjusted_by(limits: Sequence[Limit], lowered: Sequence[Limit], wanted: float, start: float) -> tuple[str, ...]:
    """Name each adjustment once, those of the ceiling first, and what the strengths at hand did to the start."""
    words = dict.fromkeys(one.words for one in (*limits, *lowered))
    rounded = f"STRENGTHS: {wanted:g} mg a day cannot be dispensed, {start:g} mg is the next lower that can."
    causes = len({one.cause for one in (*limits, *lowered)})
    several = f"STRICTEST: {causes} reductions: the lowest dose holds, they are not multiplied; a pharmacist checks."
    return (*words, *((several,) if causes > 1 else ()), *((rounded,) if start < wanted else ()))


def _titration(
    drug: Drug, doses: Usual, start: float, ceiling: float, findings: Sequence[Finding], knowledge: Knowledge
) -> str:
    part = dose_limits.factor(findings)
    low, high = (max(start, min((mg or ceiling) * part, ceiling)) for mg in (doses.low, doses.high))
    usual = f"Usual {low:g} mg a day" if low >= high else f"Usual {low:g} to {high:g} mg a day"
    top = f"{usual}, ceiling {ceiling:g} mg a day{_in_one_product(drug, ceiling, knowledge)}."
    decisions = (row.message for row in knowledge.guideline_steps if row.kind == "decision")
    return " ".join((*_steps(drug, start, ceiling, knowledge), top, *decisions))


def _in_one_product(drug: Drug, ceiling: float, knowledge: Knowledge) -> str:
    times = drug.doses_per_day or 1
    orderables = knowledge.orderables[drug.ingredient]
    each = dispensing.highest(orderables, ceiling / times)
    if each is None or ceiling - each * times < dispensing.EXACT_MG or dispensing.choose(orderables, ceiling / times):
        return ""
    whole = any(dispensing.in_units(one, ceiling / times) for one in orderables)
    return "" if whole else f" ({each * times:g} mg with one product)"


def _steps(drug: Drug, start: float, ceiling: float, knowledge: Knowledge) -> tuple[str, ...]:
    """Say how fast the dose may rise; nothing where no source of it is at hand."""
    if start >= ceiling:
        return ("The start is the ceiling: no increase.",)
    row = knowledge.doses.titrations.get(drug.ingredient)
    if row is None:
        return ()
    told: list[str] = []
    if row.first_mg is not None and start < row.first_mg <= ceiling:
        told.append(f"to {row.first_mg:g} mg a day after at least {row.first_days:g} days")
    if row.step_mg is not None:
        step = min(row.step_mg, ceiling - start)
        told.append(f"{'then ' if told else ''}by at most {step:g} mg, at least {row.step_days:g} days apart")
    doubt = "" if row.basis.verified else " (not verified)"
    return (f"Increase {', '.join(told)}{doubt}.",) if told else ()
