"""Ranking without the model: guideline lines, and within a line published network estimates.

Two drugs of a line whose 95 % intervals overlap are as good as tied: they share a band. A drug without an estimate
shares the first band of its line: nothing at hand says that it is better or worse.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from recommender.assessment import Candidate, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.plans import Line, Plan
from recommender.step.step_rows import Estimate

RULE = "RANKED-BY-GUIDELINE"


def basis(names: Collection[str], condition: str, lines: Mapping[str, Line], knowledge: Knowledge) -> str:
    """Return in words what orders the drugs of a condition."""
    found = _ranking(condition, knowledge)
    compared = next((one for name, one in found.items() if name in lines), None)
    rows = [one for one in knowledge.guideline_steps if one.condition in names and one.kind in ("initial", "later")]
    seen = [one for one in rows if one.basis.verified]
    named = ", ".join(dict.fromkeys(one.message.partition(":")[0].partition(" (")[0] for one in seen or rows))
    said = f"guideline order ({named}{'' if seen else '; not verified'})" if named else "guideline order"
    return f"{said}, then {compared.outcome}" if compared else said


def ranked(candidates: Sequence[Candidate], plan: Plan, knowledge: Knowledge) -> tuple[Candidate, ...]:
    """Return the candidates with the band of each that a line holds, and the reason for it.

    Bands count from 1; those of a later line come after all of an earlier one. What is known to speak against a drug
    takes it out of the ranking; what is not known yet does not.
    """
    condition = (plan.focus.phase or plan.focus.name) if plan.focus else ""
    found = _ranking(condition, knowledge)
    standing = [one.ingredient for one in candidates if stands(one) and one.ingredient in plan.lines]
    bands = _bands({name: plan.lines[name].number for name in standing}, found)
    estimates = knowledge.steps.estimates.get(condition, {})
    return tuple(_told(one, bands, plan, found, estimates.get(one.ingredient, ())) for one in candidates)


def stands(candidate: Candidate) -> bool:
    """Say whether nothing that is known excludes the drug: a measurement that is asked for first may still do so."""
    return not any(one.blocks and not one.unknown for one in candidate.reasons)


def _ranking(condition: str, knowledge: Knowledge) -> dict[str, Estimate]:
    """Return the estimate that ranks each drug: verified, with its interval."""
    return {
        name: one
        for name, rows in knowledge.steps.estimates.get(condition, {}).items()
        for one in rows[:1]
        if one.ranks and one.basis.verified and one.low is not None and one.high is not None
    }


def _bands(lines: Mapping[str, int], estimates: Mapping[str, Estimate]) -> Mapping[str, int]:
    bands: dict[str, int] = {}
    band = 0
    for line in sorted(set(lines.values())):
        members = [name for name in lines if lines[name] == line]
        known = sorted((one for one in members if one in estimates), key=lambda one: (_badness(estimates[one]), one))
        band, head = band + 1, None
        bands |= {name: band for name in members if name not in estimates}
        for name in known:
            if head is not None and not _overlap(estimates[head], estimates[name]):
                band, head = band + 1, None
            head = head or name
            bands[name] = band
    return bands


def _badness(one: Estimate) -> float:
    return one.value if one.better == "lower" else -one.value


def _overlap(one: Estimate, other: Estimate) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _told(
    candidate: Candidate,
    bands: Mapping[str, int],
    plan: Plan,
    ranking: Mapping[str, Estimate],
    estimates: Sequence[Estimate],
) -> Candidate:
    name = candidate.ingredient
    line, one = plan.lines.get(name), ranking.get(name)
    others = tuple(_estimate(other) for other in estimates if other is not one)
    if name not in bands or line is None:
        return replace(candidate, reasons=(*candidate.reasons, *others))
    place = f"line {line.number} of treatment" if line.number else "the step that is reached now"
    seen = "" if any(one.verified for one in line.reasons) else ", by a row not checked against its source"
    where = f"Ranked by guideline, not by the learned model: {place}{seen}."
    compared = f" {_estimate(one).message}" if one else " No published comparison with its interval is at hand."
    first = line.reasons[0]
    reason = Reason(RULE, "none", where + compared, _sources(first.source, one), first.verified)
    return replace(candidate, band=bands[name], reasons=(*candidate.reasons, reason, *line.reasons, *others))


def _sources(source: str, one: Estimate | None) -> str:
    return f"{source}+{one.basis.source}" if one else source


def _estimate(one: Estimate) -> Reason:
    interval = f" (95 % interval {one.low:g} to {one.high:g})" if one.low is not None and one.high is not None else ""
    message = f"{one.outcome[:1].upper()}{one.outcome[1:]}: {one.value:g}{interval}."
    return Reason(one.id, "none", message, one.basis.source, one.basis.verified)
