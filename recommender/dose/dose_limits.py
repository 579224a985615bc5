"""The usual doses of a drug and everything that lowers them: age, kidney, liver, interaction, genotype."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Bound, Bounds
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Drug
from recommender.dose import dose_words
from recommender.safety.findings import Finding


@dataclass(frozen=True, slots=True)
class Usual:
    """Doses in mg a day before any adjustment; ``low`` and ``high`` are the usual range, None where there is none."""

    start: float
    low: float | None
    high: float | None
    most: float


@dataclass(frozen=True, slots=True)
class Limit:
    """One ceiling, or one most to begin with, in mg a day; ``words`` name the rule and the chart fact.

    ``cause`` is what it comes from: limits of one cause are steps of one reduction.
    """

    mg: float
    words: str
    source: str
    verified: bool
    cause: str


def row_of(ingredient: str, indication: str | None, knowledge: Knowledge) -> Drug | None:
    """Return the formulary row, with the doses of an indication (key of the formulary) where it has its own.

    Its ceiling is the lower of the two; a row that nobody verified never raises a start either.
    """
    drug = knowledge.drug(ingredient)
    own = knowledge.doses.indications.get((drug.ingredient, indication)) if drug and indication else None
    if drug is None or own is None:
        return drug
    starts = [mg for mg in (own.start_mg, drug.start_mg) if mg is not None]
    most = _least(own.max_mg, drug.max_mg)
    return replace(
        drug,
        start_mg=own.start_mg if own.start_mg and own.basis.verified else min(starts, default=None),
        usual_min_mg=own.usual_min_mg or drug.usual_min_mg,
        usual_max_mg=_least(own.usual_max_mg or drug.usual_max_mg, most),
        max_mg=most,
        geriatric_from_age=own.geriatric_from_age or drug.geriatric_from_age,
        geriatric_start_mg=_least(own.geriatric_start_mg, drug.geriatric_start_mg),
    )


def _least(one: float | None, other: float | None) -> float | None:
    return min((mg for mg in (one, other) if mg is not None), default=None)


def usual(drug: Drug) -> Usual | None:
    """Return the usual doses of a formulary row, None where it has no plain numbers."""
    if drug.start_mg is None or drug.max_mg is None:
        return None
    return Usual(min(drug.start_mg, drug.max_mg), drug.usual_min_mg, drug.usual_max_mg, drug.max_mg)


def bounds(drug: Drug, doses: Usual, limits: Sequence[Limit], lowered: Sequence[Limit]) -> Bounds:
    """Return what any dose of the drug is judged by; ``limits`` are its ``ceilings``, ``lowered`` its ``starts``."""
    return Bounds(
        drug=drug.ingredient,
        start=_bound(next(iter(lowered), None), doses.start, drug),
        ceiling=_bound(next(iter(limits), None), doses.most, drug),
        doses_per_day=drug.doses_per_day,
    )


def _bound(limit: Limit | None, usual: float, drug: Drug) -> Bound:
    if limit is None:
        return Bound(usual, "FORMULARY", "", _of_dose(drug.basis.source), drug.basis.verified)
    rule, _, words = limit.words.partition(": ")
    return Bound(limit.mg, rule, words.rstrip("."), limit.source, limit.verified)


def _of_dose(sources: str) -> str:
    """Return the sources of a formulary row without those of its codes (``R-…``), where others are left."""
    keys = sources.split("+")
    return "+".join([key for key in keys if not key.startswith("R-")] or keys)


def ceilings(
    drug: Drug, doses: Usual, findings: Sequence[Finding], features: FeatureVector, knowledge: Knowledge
) -> tuple[Limit, ...]:
    """Return the ceilings below the usual one, lowest first, one for each value and source of it.

    Several are not multiplied: the lowest holds, as each source says for itself.
    """
    found = [one for one in _ceilings(drug, doses, findings, knowledge) if one.mg < doses.most]
    aged = _aged(drug, drug.geriatric_max_mg, features, "{} mg a day at most")
    if aged and aged.mg < doses.most and all(one.mg != aged.mg for one in found):
        found.append(aged)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.mg))


def _ceilings(drug: Drug, doses: Usual, findings: Sequence[Finding], knowledge: Knowledge) -> Iterator[Limit]:
    for rule in knowledge.rules_of[drug.ingredient]:
        if rule.kind == "dose" and rule.cap_mg is not None and not rule.waived:
            words = f"{rule.id}: {drug.ingredient} never above {rule.cap_mg:g} mg a day."
            yield Limit(rule.cap_mg, words, rule.basis.source, rule.basis.verified, rule.trigger)
    for one in findings:
        if one.cap_mg_per_day is not None:
            yield _limit(one, one.cap_mg_per_day, _named(one))
        if one.change is not None and one.change.on in ("maintenance", "all"):
            yield _limit(one, round(doses.most * one.change.factor, 3), one.change.words)
        for waiting in (held for held in one.pending if held.careful):
            if waiting.rule.cap_mg is not None:
                yield _limit(one, waiting.rule.cap_mg, dose_words.careful(waiting))
            if waiting.adjusted and waiting.adjusted.factor is not None:
                yield _limit(one, round(doses.most * waiting.adjusted.factor, 3), dose_words.careful(waiting))


def starts(drug: Drug, doses: Usual, findings: Sequence[Finding], features: FeatureVector) -> tuple[Limit, ...]:
    """Return what lowers the start, lowest first.

    Where a source lowers the maintenance dose alone, the start is never above the lowered usual dose: a start
    above what is to be kept would make no sense.
    """
    found = [one for one in _starts(doses, findings) if one.mg < doses.start]
    aged = _aged(drug, drug.geriatric_start_mg, features, "{} mg a day to begin with")
    if aged and aged.mg < doses.start and all(one.mg != aged.mg for one in found):
        found.append(aged)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.mg))


def _starts(doses: Usual, findings: Sequence[Finding]) -> Iterator[Limit]:
    for one in findings:
        if one.start_mg_per_day is not None:
            yield _limit(one, one.start_mg_per_day, _named(one))
        if one.change is not None and one.change.on in ("start", "all"):
            yield _limit(one, doses.start * one.change.factor, one.change.words)
        if one.change is not None and one.change.on in ("maintenance", "all") and doses.low is not None:
            yield _limit(one, doses.low * one.change.factor, one.change.words)
        for waiting in (held for held in one.pending if held.careful and held.adjusted):
            adjusted = waiting.adjusted
            if adjusted and adjusted.start_mg is not None:
                yield _limit(one, adjusted.start_mg, dose_words.careful(waiting))
            if adjusted and adjusted.factor is not None:
                yield _limit(one, doses.start * adjusted.factor, dose_words.careful(waiting))


def factor(findings: Sequence[Finding]) -> float:
    """Return the smallest part of the usual range that is asked for, 1 where none is."""
    changed = (one.change.factor for one in findings if one.change and one.change.on in ("maintenance", "all"))
    waiting = (one.adjusted.factor for held in findings for one in held.pending if one.careful and one.adjusted)
    return min((*changed, *(part for part in waiting if part is not None)), default=1.0)


def _limit(one: Finding, mg: float, words: str) -> Limit:
    cause = one.cause or (one.pending[0].rule.trigger if one.pending else "genotype")
    return Limit(mg, words, one.reason.source, one.reason.verified, cause)


def _named(one: Finding) -> str:
    return f"{one.reason.rule}: {one.reason.message}"


def _aged(drug: Drug, mg: float | None, features: FeatureVector, words: str) -> Limit | None:
    """Return a limit of later life; an age that is not known counts as old."""
    age = features.number("age")
    old = age is None or (drug.geriatric_from_age is not None and age >= drug.geriatric_from_age)
    if mg is None or not old:
        return None
    who = "age is not known" if age is None else f"age {age:g}"
    name = drug.ingredient.replace("_", " ")
    told = f"FORMULARY: {who}, {name} {words.format(f'{mg:g}')}."
    return Limit(mg, told, drug.basis.source, drug.basis.verified, "age")
