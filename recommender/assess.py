"""One patient's assessment: gates → candidates → rules and doses → model → bands → drafts.

Nothing on this path can make an order: the best it can do is a draft.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhir_adapters.canonical import Adapted, FeatureVector
from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender import drafts
from recommender.assessment import (
    SEVERITIES,
    Assessment,
    Attestation,
    Candidate,
    ConsentDefault,
    CurrentDrug,
    Dose,
    Escalation,
    Gate,
    Prediction,
    Reason,
    Severity,
)
from recommender.dose import supply, tapers
from recommender.dose.dosing import dose as dose_of
from recommender.dose.supply import Supply
from recommender.gate import gates
from recommender.library.knowledge import Knowledge
from recommender.ranker import model as models
from recommender.ranker.model import Model
from recommender.ranker.ranking import DEFAULT_WEIGHTS, rank
from recommender.safety import rules
from recommender.safety.findings import Finding
from recommender.step import guideline_plan, guideline_ranking, indications, offering
from recommender.step.indications import Plan

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
    consent_default: ConsentDefault = "opt-out",
    attestations: Sequence[Attestation] = (),
) -> Assessment:
    """Return the whole assessment of an adapted patient.

    ``preferences`` are weights that replace the documented defaults by name; ``requester`` is the reference
    to our Device that drafts carry; ``consent_default`` and ``attestations`` as ``gates.evaluate`` takes them.
    """

    def evaluate(known: Knowledge) -> tuple[Gate, tuple[Escalation, ...]]:
        return gates.evaluate(
            adapted.patient,
            adapted.features,
            known,
            jurisdiction=jurisdiction,
            consent_default=consent_default,
            attestations=attestations,
        )

    gate, escalations = evaluate(knowledge)
    plan = indications.plan(adapted.patient, adapted.features, knowledge)
    judged = () if gate.silent else _judge_all(plan, adapted, knowledge)
    told = offering.speaks(gate, plan, knowledge, lambda known: evaluate(known)[0])
    named: tuple[str, ...] = ()
    if plan.by_guideline and told:
        judged = guideline_ranking.ranked(judged, plan, knowledge)
        named, escalations = offering.named(judged, plan), offering.told(escalations, plan)
    weights = {**DEFAULT_WEIGHTS, **(preferences or {})}
    candidates, offered = _decided(judged, gate, plan, adapted.features, knowledge, model, weights)
    limit = supply.limited(gate, escalations, knowledge)
    return Assessment(
        patient=adapted.patient.reference,
        as_of=adapted.features.as_of,
        gate=gate,
        escalations=escalations,
        conditions=plan.conditions,
        step=plan.step,
        candidates=candidates,
        current=() if gate.silent else _current(adapted, knowledge),
        offered=offered,
        unknowns=_unknowns(candidates, offered),
        drafts=_drafts(candidates, offered, plan, adapted, requester, gate, limit),
        versions=_versions(knowledge, model),
        focus=plan.focus.name if plan.focus else None,
        step_reasons=plan.steps_reason if told else (),
        ranked_by=plan.ranked_by if told else "",
        named=named,
    )


def _decided(
    judged: tuple[Candidate, ...],
    gate: Gate,
    plan: Plan,
    features: FeatureVector,
    knowledge: Knowledge,
    model: Model | None,
    weights: Mapping[str, float],
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Return the candidates with their verdicts, and the names of those offered: none where the gate is closed."""
    if gate.status != "open":
        return tuple(_closed(one, gate.status) for one in judged), ()
    scored = judged if plan.by_guideline else _score(judged, plan, features, model, weights)
    offered = offering.offered(scored, plan, knowledge, OFFERED)
    return tuple(_with_verdict(one, offered) for one in scored), offered


def _judge_all(plan: Plan, adapted: Adapted, knowledge: Knowledge) -> tuple[Candidate, ...]:
    findings = rules.evaluate_all(plan.considered, adapted.patient, adapted.features, knowledge)
    known = guideline_plan.for_dosing(plan, knowledge)
    return tuple(_judge(name, findings[name], plan, adapted, known) for name in plan.considered)


def _judge(
    ingredient: str, findings: Sequence[Finding], plan: Plan, adapted: Adapted, knowledge: Knowledge
) -> Candidate:
    dose = plan.withheld.get(ingredient) or dose_of(ingredient, findings, adapted.features, knowledge, plan.indication)
    related = plan.related.get(ingredient)
    notes = knowledge.site_notes.get(ingredient, ())
    reasons = (*(f.reason for f in findings), *((related,) if related else ()), *notes, *plan.said.get(ingredient, ()))
    drug = knowledge.drugs[ingredient]
    severity = worst(reasons)
    if any(reason.blocks for reason in reasons):
        return Candidate(ingredient, drug.rxnorm, "excluded", severity, reasons)
    routed = tuple(
        Reason(row.id, "none", row.message, row.basis.source, row.basis.verified)
        for row in knowledge.routes.get(ingredient, ())
    )
    if routed or isinstance(dose, Reason):
        refused = (dose,) if isinstance(dose, Reason) else ()
        return Candidate(ingredient, drug.rxnorm, "not-draftable", severity, (*reasons, *refused, *routed))
    present = tuple(one for course in plan.current for one in course.ingredients)
    switch = tapers.switches(present, ingredient, knowledge)
    return Candidate(ingredient, drug.rxnorm, "eligible", severity, reasons, dose=dose, switch=switch)


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
    reason = Reason("MODEL-ABSTAINED", "none", message, "recommender/ranker/model.py", verified=True)
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
    gate: Gate,
    limit: Supply,
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
            warnings=gate.warnings,
            supply=limit,
            focus=plan.focus,
            before=_before(plan),
        )
        for name in offered
    )


def _before(plan: Plan) -> tuple[str, ...]:
    """Return what the guidelines put before a drug, for the note of a draft."""
    return tuple(one.message for one in plan.steps_reason if one.rule in plan.before)


_RANKED_ON = ("phq9_total", "phq9_item9", "gad7_total", "isi_total", "pcl5_total")


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
