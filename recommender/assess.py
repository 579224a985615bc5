"""One patient's assessment: gates → candidates → rules and doses → model → bands → drafts.

Nothing on this path can make an order: the best it can do is a draft.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_adapters.canonical import Adapted, FeatureVector
from fhir_adapters.schema import SCHEMA_VERSION
from recommender import drafts, gates, indications, rules
from recommender import model as models
from recommender.assessment import (
    SEVERITIES,
    Assessment,
    Candidate,
    CurrentDrug,
    Dose,
    Prediction,
    Reason,
    Severity,
)
from recommender.dosing import dose as dose_of
from recommender.indications import Plan
from recommender.knowledge import Knowledge
from recommender.model import Model
from recommender.ranking import DEFAULT_WEIGHTS, rank
from recommender.rules import Finding

OFFERED = 2  # with "no change" three options: as many as a clinician compares at a glance (issue of card design)

Predictions = Mapping[str, Mapping[str, Prediction]]


def assess(
    adapted: Adapted,
    knowledge: Knowledge,
    model: Model | None,
    *,
    jurisdiction: str | None = None,
    preferences: Mapping[str, float] | None = None,
    requester: Mapping[str, Any] | None = None,
) -> Assessment:
    """Return the whole assessment of an adapted patient.

    ``preferences`` are weights that replace the documented defaults by name; ``requester`` is the reference
    to our Device that drafts carry.
    """
    gate, escalations = gates.evaluate(adapted.patient, adapted.features, knowledge, jurisdiction=jurisdiction)
    plan = indications.plan(adapted.patient, adapted.features, knowledge)
    judged = () if gate.status in _NOTHING_COMPUTED else _judge_all(plan, adapted, knowledge)
    weights = {**DEFAULT_WEIGHTS, **(preferences or {})}
    if gate.status == "open":
        judged = _score(judged, plan, adapted.features, model, weights)
        offered = _offer(judged, plan, knowledge)
    else:
        judged, offered = tuple(_closed(c, gate.status) for c in judged), ()
    candidates = tuple(_with_verdict(c, offered) for c in judged)
    return Assessment(
        patient=adapted.patient.reference,
        as_of=adapted.features.as_of,
        gate=gate,
        escalations=escalations,
        conditions=plan.conditions,
        step=plan.step,
        candidates=candidates,
        current=() if gate.status in _NOTHING_COMPUTED else _current(adapted, knowledge),
        offered=offered,
        unknowns=_unknowns(candidates, offered),
        drafts=_drafts(candidates, offered, plan, adapted, requester),
        versions=_versions(knowledge, model),
    )


# Consent withheld and a closed jurisdiction mean that nothing at all is worked out for this patient.
_NOTHING_COMPUTED = ("consent-withheld", "jurisdiction")


def _judge_all(plan: Plan, adapted: Adapted, knowledge: Knowledge) -> tuple[Candidate, ...]:
    findings = rules.evaluate_all(plan.considered, adapted.patient, adapted.features, knowledge)
    return tuple(_judge(name, findings[name], plan, adapted, knowledge) for name in plan.considered)


def _judge(
    ingredient: str, findings: Sequence[Finding], plan: Plan, adapted: Adapted, knowledge: Knowledge
) -> Candidate:
    dose = dose_of(ingredient, findings, adapted.features, knowledge)
    related = plan.related.get(ingredient)
    reasons = (*(f.reason for f in findings), *((related,) if related else ()))
    drug = knowledge.drugs[ingredient]
    severity = worst(reasons)
    if any(reason.blocks for reason in reasons):
        return Candidate(ingredient, drug.rxnorm, "excluded", severity, reasons)
    if isinstance(dose, Reason):
        return Candidate(ingredient, drug.rxnorm, "not-draftable", severity, (*reasons, dose))
    return Candidate(ingredient, drug.rxnorm, "eligible", severity, reasons, dose=dose)


def worst(reasons: Sequence[Reason]) -> Severity:
    """Return the highest severity among the reasons whose input is known."""
    known = {r.severity for r in reasons if not r.unknown}
    ordered: list[Severity] = [severity for severity in SEVERITIES if severity in known]
    return ordered[0] if ordered else "none"


def _score(
    judged: Sequence[Candidate],
    plan: Plan,
    features: FeatureVector,
    model: Model | None,
    weights: Mapping[str, float],
) -> tuple[Candidate, ...]:
    """Add predictions and utility to what is eligible, and bands to what could be offered at this step."""
    rankable = [c.ingredient for c in judged if c.verdict == "eligible"]
    unsupported = ("The learned ranker is switched off.",) if model is None else models.support(model, features)
    if model is None or unsupported:
        return tuple(_abstain(c, " ".join(unsupported)) if c.verdict == "eligible" else c for c in judged)
    predictions = models.predict(model, features, rankable)
    utilities = {name: utility for name, (utility, _) in rank(predictions, weights).items()}
    offerable = {name: found for name, found in predictions.items() if name in plan.first_line}
    bands = {name: band for name, (_, band) in rank(offerable, weights).items()}
    return tuple(_scored(c, predictions, utilities, bands) for c in judged)


def _scored(
    candidate: Candidate, predictions: Predictions, utilities: Mapping[str, float], bands: Mapping[str, int]
) -> Candidate:
    name = candidate.ingredient
    if candidate.verdict != "eligible":
        return candidate
    if name not in utilities:
        return _abstain(candidate, "No trial evidence for this drug is at hand.")
    return replace(candidate, predictions=predictions[name], utility=utilities[name], band=bands.get(name))


def _abstain(candidate: Candidate, message: str) -> Candidate:
    reason = Reason("MODEL-ABSTAINED", "none", message, "recommender.model", verified=True)
    return replace(candidate, verdict="abstained", reasons=(*candidate.reasons, reason))


def _closed(candidate: Candidate, status: str) -> Candidate:
    if candidate.verdict != "eligible":
        return candidate
    return replace(
        candidate,
        verdict="abstained",
        reasons=(
            *candidate.reasons,
            Reason("GATE-" + status.upper(), "none", "Drafting is closed.", "gates", verified=True),
        ),
    )


def _offer(judged: Sequence[Candidate], plan: Plan, knowledge: Knowledge) -> tuple[str, ...]:
    """Pick what the card offers: best band first, in it what has least against it in this chart, then utility.

    Within the first pick's band the second comes from another class where there is one: two drugs of one
    class are less of a choice.
    """
    ready = sorted((c for c in judged if c.verdict == "eligible" and c.ingredient in plan.first_line), key=_order)
    if not ready:
        return ()
    first = ready[0]
    others = [c for c in ready[1:] if c.band == first.band and _class(c, knowledge) != _class(first, knowledge)]
    picks = [first, *others[:1], *(c for c in ready[1:] if c not in others[:1])]
    return tuple(c.ingredient for c in picks[:OFFERED])


def _order(candidate: Candidate) -> tuple[int, int, int, float, str]:
    known = [r.severity for r in candidate.reasons if not r.unknown]
    band = candidate.band if candidate.band is not None else 99
    return band, known.count("warning"), known.count("caution"), -(candidate.utility or 0.0), candidate.ingredient


def _class(candidate: Candidate, knowledge: Knowledge) -> str:
    return knowledge.drugs[candidate.ingredient].drug_class


def _with_verdict(candidate: Candidate, offered: Sequence[str]) -> Candidate:
    return replace(candidate, verdict="offered") if candidate.ingredient in offered else candidate


def _current(adapted: Adapted, knowledge: Knowledge) -> tuple[CurrentDrug, ...]:
    found: dict[str, CurrentDrug] = {}
    for course in adapted.patient.medications:
        if course.taking not in {"taking", "ordered", "reported", "unknown"}:
            continue
        for ingredient in course.ingredients:
            found.setdefault(
                ingredient,
                CurrentDrug(
                    ingredient,
                    (),
                    since=course.start,
                    dose_mg_per_day=course.dose_mg_per_day,
                    reference=course.source.reference,
                ),
            )
    findings = rules.evaluate_all(sorted(found), adapted.patient, adapted.features, knowledge, current=True)
    return tuple(replace(found[name], reasons=tuple(f.reason for f in findings[name])) for name in sorted(found))


def _unknowns(candidates: Sequence[Candidate], offered: Sequence[str]) -> tuple[str, ...]:
    """Return what is missing for the offered drugs, each once, most serious first: ``QTc is not on file``."""
    reasons = [r for c in candidates if c.ingredient in offered for r in c.reasons if r.unknown and r.missing]
    ordered = sorted(reasons, key=lambda r: SEVERITIES.index(r.severity))
    return tuple({r.missing: f"{r.missing} {r.gap or 'is not known'}" for r in reversed(ordered)}.values())[::-1]


def _drafts(
    candidates: Sequence[Candidate],
    offered: Sequence[str],
    plan: Plan,
    adapted: Adapted,
    requester: Mapping[str, Any] | None,
) -> tuple[Mapping[str, Any], ...]:
    by_name = {c.ingredient: c for c in candidates}
    replaces = sorted({i for course in plan.current for i in course.ingredients})
    return tuple(
        drafts.build(
            by_name[name],
            adapted.patient,
            replaces=replaces,
            authored_on=adapted.features.as_of.isoformat(),
            facts=_facts(by_name[name], adapted.features),
            requester=requester,
        )
        for name in offered
    )


_RANKED_ON = ("phq9_total", "phq9_item9", "gad7_total")


def _facts(candidate: Candidate, features: FeatureVector) -> tuple[str, ...]:
    sources = [features.features[name].source for name in _RANKED_ON]
    scores = {s.reference for s in sources if s is not None}
    return tuple(sorted(scores | {f for r in candidate.reasons if not r.unknown for f in r.facts}))


def _versions(knowledge: Knowledge, model: Model | None) -> dict[str, str]:
    version = model.version if model is not None else "none"
    return {"features": SCHEMA_VERSION, "knowledge": knowledge.version, "model": version}


def replaced(assessment: Assessment) -> tuple[str, ...]:
    """Return the antidepressants that an offered option would replace."""
    considered = {c.ingredient for c in assessment.candidates}
    return tuple(d.ingredient for d in assessment.current if d.ingredient in considered)


def dose_words(dose: Dose) -> str:
    """Return the starting dose in words."""
    return f"{drafts.amount(dose.start_mg_per_day)} mg a day, {drafts.times_a_day(dose.doses_per_day)}"
