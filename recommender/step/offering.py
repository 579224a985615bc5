"""Which drugs are offered, and which are named without a draft.

Bipolar disorder and schizophrenia close the gate by being on the problem list. Where nothing but that closes it,
their options are named for the psychiatrist who is told; where anything else does (age, pregnancy, a dangerous
value), nothing is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from recommender.assessment import Candidate, Escalation, Gate, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.plans import Plan
from recommender.step import guideline_ranking

LAST = 99  # after every band
_SEROTONERGIC = 2
_REPLACES = "Replaces "  # how a rule, too, begins what it says of a drug that another takes the place of


def speaks(gate: Gate, plan: Plan, knowledge: Knowledge, evaluate: Callable[[Knowledge], Gate]) -> bool:
    """Say whether the guideline steps may be told: drafting is open, or only the condition itself closes it."""
    if gate.status not in ("out-of-scope", "insufficient-data") or plan.focus is None:
        return gate.status == "open"
    own = frozenset[str]() if plan.focus.drafting else {f"condition:{key}" for key in plan.focus.keys}
    others = tuple(row for row in knowledge.gates if row.reads not in own and not row.focus)
    return evaluate(replace(knowledge, gates=others)).status == "open"


def named(candidates: Sequence[Candidate], plan: Plan) -> tuple[str, ...]:
    """Return the ingredients that the guideline names at this step, in the order in which they are ranked.

    None while the present drug is kept or no drug is proposed. What can be drafted comes first in its band, what was
    given an adequate trial already comes last.
    """
    if plan.step not in ("start", "switch"):
        return ()
    tried = plan.history.drugs("adequate")
    standing = [one for one in candidates if guideline_ranking.stands(one) and one.ingredient in plan.lines]
    return tuple(
        one.ingredient
        for one in sorted(
            standing, key=lambda one: (one.ingredient in tried, one.band, one.dose is None, *_order(one, plan))
        )
    )


def replacing(ingredient: str, reasons: Sequence[Reason], plan: Plan) -> tuple[Reason, ...]:
    """Return the word that a drug of this step takes the place of the present one, where no rule has said so."""
    present = tuple(dict.fromkeys(" with ".join(one.ingredients) or one.text for one in plan.current))
    said = any(one.message.startswith(_REPLACES) for one in reasons)
    taken = any(ingredient in one.ingredients for one in plan.current)
    if said or taken or plan.step != "switch" or ingredient not in plan.first_line:
        return ()
    message = f"{_REPLACES}{' and '.join(present)}: taper plan needed."
    return (Reason("SWITCH-REPLACES", "none", message, "POLICY", verified=True),)


def order(candidate: Candidate) -> tuple[int, int, int, float, str]:
    """Return the order of candidates: band, what speaks against one in this chart, utility, name."""
    known = [r.severity for r in candidate.reasons if not (r.unknown or r.settled)]
    band = candidate.band if candidate.band is not None else LAST
    return band, known.count("warning"), known.count("caution"), -(candidate.utility or 0.0), candidate.ingredient


def told(escalations: Sequence[Escalation], plan: Plan) -> tuple[Escalation, ...]:
    """Return the people to tell with those whom the guideline names, each sentence once.

    A condition for which nothing is drafted closes the gate, which has then told the same person already.
    """
    said = {one.reason for one in escalations}
    closed = plan.focus is not None and not plan.focus.drafting
    heard = {one.to for one in escalations} if closed else frozenset[str]()
    return (*escalations, *(one for one in plan.routes if one.reason not in said and one.to not in heard))


def offered(candidates: Sequence[Candidate], plan: Plan, knowledge: Knowledge, most: int) -> tuple[str, ...]:
    """Pick what the card offers: best band first, in it what has least against it in this chart, then utility.

    Within the first pick's band the second comes from another class where there is one: two drugs of one
    class are less of a choice.
    """
    ready = sorted(
        (
            one
            for one in candidates
            if one.verdict == "eligible" and one.ingredient in plan.first_line and not _serotonergic(one, knowledge)
        ),
        key=lambda one: _order(one, plan),
    )
    if not ready:
        return ()
    first = ready[0]
    own = knowledge.drugs[first.ingredient].drug_class
    tied = (one for one in ready[1:] if one.band == first.band)
    other = [one for one in tied if knowledge.drugs[one.ingredient].drug_class != own][:1]
    picks = [first, *other, *(one for one in ready[1:] if one not in other)]
    return tuple(one.ingredient for one in picks[:most])


def _serotonergic(candidate: Candidate, knowledge: Knowledge) -> bool:
    """Say whether present drugs give two or more warnings of serotonin syndrome: one is taken away first."""
    about = {
        one.id
        for one in knowledge.rules_of.get(candidate.ingredient, ())
        if one.kind == "drug" and (one.trigger == "st_johns_wort" or "seroton" in one.message)
    }
    known = (r for r in candidate.reasons if r.severity == "warning" and not (r.unknown or r.settled))
    return sum(one.rule in about for one in known) >= _SEROTONERGIC


def _order(candidate: Candidate, plan: Plan) -> tuple[int | float | str, ...]:
    """Without the model, what serves a further condition of this patient and what more rows name comes first."""
    band, warnings, cautions, *rest = order(candidate)
    line = plan.lines.get(candidate.ingredient)
    further = len(plan.serves.get(candidate.ingredient, ())) if plan.by_guideline else 0
    return (band, warnings, cautions, -further, -line.backing if line else 0, *rest)
