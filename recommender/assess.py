"""One patient's assessment: gates → candidates → rules and doses → model → bands → drafts.

Nothing on this path can make an order: the best it can do is a draft.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fhir_adapters.canonical import Adapted, FeatureVector
from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender import drafts, taken
from recommender.assessment import (
    SEVERITIES,
    Assessment,
    Attestation,
    Candidate,
    ConsentDefault,
    CurrentDrug,
    Dose,
    Gate,
    Reason,
    Severity,
    Supply,
)
from recommender.catalog.knowledge import Knowledge
from recommender.dose import supply, tapers
from recommender.dose.dosing import dose as dose_of
from recommender.gate import gates
from recommender.ranked import Ranking, explained, ranked
from recommender.ranker import weights as weighing
from recommender.ranker.model import Model
from recommender.ranker.weights import Weights
from recommender.safety import rules
from recommender.safety.findings import Finding
from recommender.step import guideline_plan, guideline_ranking, indications, offering
from recommender.step.indications import Plan

STOPPED = "DRAFT-STOPPED"  # the rule of a drug that the site has switched off
OFFERED = 2  # with "no change" three options: as many as a clinician compares at a glance (issue of card design)


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
    stopped: Mapping[str, str] | None = None,
    explain: bool = False,
) -> Assessment:
    """Return the whole assessment of an adapted patient.

    ``preferences`` are weights that replace the documented defaults by name, and what the patient answered to our
    Questionnaire; ``requester`` is the reference to our Device that drafts carry; ``consent_default`` and
    ``attestations`` as ``gates.evaluate`` takes them; ``stopped`` says of formulary drugs why the site has switched
    them off: none is drafted, all are still judged; ``explain`` asks for the differences between the two drugs
    that are offered, which cost some milliseconds.
    """
    asked: dict[str, Any] = {"jurisdiction": jurisdiction, "consent_default": consent_default}
    evaluate = partial(gates.evaluate, adapted.patient, adapted.features, attestations=attestations, **asked)
    gate, escalations = evaluate(knowledge)
    plan = _without(stopped or {}, indications.plan(adapted.patient, adapted.features, knowledge))
    judged = () if gate.silent else _judge_all(plan, adapted, knowledge)
    told = offering.speaks(gate, plan, knowledge, lambda known: evaluate(known)[0])
    named: tuple[str, ...] = ()
    if plan.by_guideline and told:
        judged = guideline_ranking.ranked(judged, plan, knowledge)
        named = tuple(one for one in offering.named(judged, plan) if one not in (stopped or {}))
        escalations = offering.told(escalations, plan)
    weights = weighing.of(preferences, adapted.patient.preferences)
    candidates, offered, found = _decided(judged, gate, plan, adapted, knowledge, model, weights)
    limit = supply.limited(gate, escalations, knowledge)
    current = () if gate.silent else taken.judged(adapted, knowledge)
    return Assessment(
        patient=adapted.patient.reference,
        as_of=adapted.features.as_of,
        gate=gate,
        escalations=escalations,
        conditions=plan.conditions,
        step=plan.step,
        candidates=candidates,
        current=current,
        offered=offered,
        unknowns=_unknowns(candidates, offered or named, () if offered else current),
        drafts=_drafts(candidates, offered, plan, adapted, requester, gate, limit),
        versions=_versions(knowledge, model),
        focus=plan.focus.name if plan.focus else None,
        step_reasons=plan.steps_reason if told else (),
        ranked_by=plan.ranked_by if told else "",
        named=named,
        supply=limit,
        explanation=explained(found, offered, whole=explain),
    )


def _without(stopped: Mapping[str, str], plan: Plan) -> Plan:
    """Return the plan with the drugs withheld that the site has switched off."""
    told = {name: Reason(STOPPED, "none", why, "the site", verified=True) for name, why in stopped.items()}
    return replace(plan, withheld={**plan.withheld, **told}, first_line=plan.first_line - told.keys())


def _decided(
    judged: tuple[Candidate, ...],
    gate: Gate,
    plan: Plan,
    adapted: Adapted,
    knowledge: Knowledge,
    model: Model | None,
    weights: Weights,
) -> tuple[tuple[Candidate, ...], tuple[str, ...], Ranking | None]:
    """Return the candidates with their verdicts, the names of those offered, and what the model made of them.

    None is offered where the gate is closed.
    """
    if gate.status != "open":
        return tuple(_closed(one, gate.status) for one in judged), (), None
    scored, found = (judged, None) if plan.by_guideline else ranked(judged, plan, adapted, knowledge, model, weights)
    offered = offering.offered(scored, plan, knowledge, OFFERED)
    return tuple(_with_verdict(one, offered) for one in scored), offered, found


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
    reasons = (*reasons, *offering.replacing(ingredient, reasons, plan))
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


def _unknowns(candidates: Sequence[Candidate], shown: Sequence[str], current: Sequence[CurrentDrug]) -> tuple[str, ...]:
    """Return what is missing for the drugs that are offered, else named or taken, each once: ``QTc is not on file``.

    What sources want of this patient comes before what they want only of those at risk, then the most serious.
    """
    drugs = (*(one for one in candidates if one.ingredient in shown), *current)
    reasons = [reason for drug in drugs for reason in drug.reasons if reason.unknown]
    found: dict[str, str] = {}
    for reason in sorted(reasons, key=lambda r: (not r.at_risk, SEVERITIES.index(r.severity))):
        if reason.missing:
            found.setdefault(reason.missing, f"{reason.missing} {reason.gap or 'is not known'}")
    return tuple(found.values())


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


def dose_words(dose: Dose) -> str:
    """Return the starting dose in words."""
    return f"{drafts.amount(dose.start_mg_per_day)} mg a day, {drafts.times_a_day(dose.doses_per_day)}"
