"""Safety rules for one drug and one patient: what holds, what is not known, which ceilings follow.

What a rule says of a chart is worked out once and said of each drug, but where it is about the drug's own courses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Rule
from recommender.dose import dose_findings
from recommender.gene import pgx
from recommender.gene.pgx import Genes
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety import rule_words
from recommender.safety.chart import Chart, Subject, chart, subject
from recommender.safety.findings import Finding, stricter
from recommender.safety.rule_words import Order, Said
from recommender.safety.triggers.answers import answer, shared_as


@dataclass(frozen=True, slots=True)
class _Hearing:
    """A chart, whether drugs that are taken are judged, and what rules said that is the same whatever the drug."""

    chart: Chart
    genes: Genes
    current: bool
    shared: dict[str, Said | None] = field(default_factory=dict[str, Said | None])


@dataclass(frozen=True, slots=True)
class _Told:
    """A finding of a gene, to be sorted among what rules say."""

    finding: Finding
    order: Order


def evaluate(
    ingredient: str,
    patient: CanonicalPatient,
    features: FeatureVector,
    knowledge: Knowledge,
    *,
    current: bool = False,
) -> tuple[Finding, ...]:
    """Return what the rules say of one drug, most serious first; false rules say nothing.

    ``current`` judges a drug that the patient already takes. A drug that no rule knows gives no finding.
    Missing inputs are named once each, by the most serious rule that needs them.
    """
    return _judge(ingredient, _hearing(patient, features, knowledge, current))


def evaluate_all(
    ingredients: Sequence[str],
    patient: CanonicalPatient,
    features: FeatureVector,
    knowledge: Knowledge,
    *,
    current: bool = False,
) -> Mapping[str, tuple[Finding, ...]]:
    """Return ``evaluate`` for several drugs of one patient; answers that they share are worked out once."""
    hearing = _hearing(patient, features, knowledge, current)
    return {ingredient: _judge(ingredient, hearing) for ingredient in ingredients}


def _hearing(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge, current: bool) -> _Hearing:
    indexed = chart(patient, features, knowledge)
    return _Hearing(indexed, pgx.genes(indexed), current)


def _judge(ingredient: str, hearing: _Hearing) -> tuple[Finding, ...]:
    drug = subject(ingredient, hearing.chart, current=hearing.current)
    found: list[Said | _Told] = [_of_gene(one) for one in pgx.findings(drug, hearing.genes, hearing.chart)]
    alone, shared = bool(drug.own or drug.product) or drug.stopped, hearing.shared
    for rule in hearing.chart.knowledge.rules_of.get(drug.name, ()):
        said: Said | Literal[False] | None = shared.get(rule.id, False)  # False: not asked yet
        if said is False or alone:
            said = _said(rule, hearing, drug)
        if said is not None:
            found.append(said)
    return _most_serious(found, hearing, drug)


def _said(rule: Rule, hearing: _Hearing, drug: Subject) -> Said | None:
    key = shared_as(rule, hearing.chart, drug)
    if not key:
        return None if _skipped(rule, hearing.current) else _answered(rule, hearing, drug)
    if key not in hearing.shared:
        hearing.shared[key] = _answered(rule, hearing, drug)
    return hearing.shared[key]


def _skipped(rule: Rule, current: bool) -> bool:
    """A drug is no duplicate of itself; the dose of a candidate is dosing's matter."""
    if current:
        return rule.kind == "drug" and rule.trigger == "same_ingredient"
    return rule.kind == "dose"


def _answered(rule: Rule, hearing: _Hearing, drug: Subject) -> Said | None:
    outcome = answer(rule, hearing.chart, drug)
    if outcome.holds is False or (outcome.holds is None and _is_not_wanted(rule, hearing, drug)):
        return None
    outcome = _narrowed(rule, hearing.chart, outcome)
    said = rule_words.said(rule, outcome, hearing.chart, drug, current=hearing.current)
    normal = rule.trigger == "crcl" and said is not None and said.unknown and _normal_egfr(hearing.chart)
    return rule_words.noted(said, normal) if said and normal else said


def _normal_egfr(chart: Chart) -> str:
    """Return a normal eGFR and what Cockcroft–Gault lacks, in words; empty where the eGFR is low or not known."""
    egfr, clearance = chart.features.number("egfr"), chart.features.features["crcl"]
    if egfr is None or egfr < chart.knowledge.policies["normal_egfr"]:
        return ""
    why = (clearance.reason or "").replace("-", " ")
    return f"eGFR {egfr:g} is normal; creatinine clearance was not worked out{f' ({why})' if why else ''}"


def _is_not_wanted(rule: Rule, hearing: _Hearing, drug: Subject) -> bool:
    """What was never measured is not asked for by a rule that skips it.

    Nor is the level of a drug in blood, but of those who take it; a list that is not whole may hold it.
    """
    name = hearing.chart.knowledge.triggers[rule.kind, rule.trigger].row.feature
    if not name or hearing.chart.features.features[name].status != "missing":
        return False
    if rule.on_unknown == "skip":
        return True
    is_level = name.endswith("_level")
    return is_level and not hearing.current and not drug.own and hearing.chart.unlisted.drugs.holds is False


def _narrowed(rule: Rule, chart: Chart, outcome: Outcome) -> Outcome:
    """Apply the sex and age that a rule is limited to."""
    if not rule.sex and rule.age_from is None:
        return outcome
    sex, age = chart.features.text("sex"), chart.features.number("age")
    if (rule.sex and sex in ("female", "male") and sex != rule.sex) or (
        rule.age_from is not None and age is not None and age < rule.age_from
    ):
        return FALSE
    if rule.sex and sex != rule.sex:
        return Outcome(None, missing="sex", why="is not known")
    if rule.age_from is not None and age is None:
        return Outcome(None, missing="age", why="is not known")
    return outcome


def _of_gene(finding: Finding) -> _Told:
    reason = finding.reason
    return _Told(finding, rule_words.order(reason.severity, reason.rule, blocks=reason.blocks, unknown=reason.unknown))


def _most_serious(found: Iterable[Said | _Told], hearing: _Hearing, drug: Subject) -> tuple[Finding, ...]:
    """Sort, and keep one finding for each missing input and for each sentence; ceilings are never dropped."""
    kept: dict[str, Finding] = {}
    for one in sorted(found, key=attrgetter("order")):
        if isinstance(one, Said):
            if one.gap in kept and not one.limits:
                continue
            finding, key = _finding(one, hearing, drug), one.gap
        else:
            finding, key = one.finding, ""
        key = key or finding.reason.message
        first = kept.setdefault(key, finding)
        if first is not finding:
            kept[key] = stricter(first, finding)
    return tuple(kept.values())


def _finding(one: Said, hearing: _Hearing, drug: Subject) -> Finding:
    rule, outcome = one.rule, one.outcome
    replaces = rule_words.replaces(one, drug, hearing.chart) if one.replacing else False
    reason = Reason(
        rule.id,
        one.severity,
        rule_words.message(one, drug, hearing.chart, replaces=replaces, current=hearing.current),
        rule.basis.source,
        rule.basis.verified,
        one.unknown,
        outcome.missing if one.unknown else None,
        outcome.why if one.unknown else None,
        one.blocks,
        outcome.facts,
        one.ceiling or replaces,
        one.at_risk,
    )
    return dose_findings.finding(rule, reason, hearing.chart.knowledge) if one.limits else Finding(reason, None)
