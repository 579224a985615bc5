"""Safety rules for one drug and one patient: what holds, what is not known, which ceilings follow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender import triggers
from recommender.assessment import SEVERITIES, Reason
from recommender.chart import FALSE, Chart, Outcome, Subject, chart, subject
from recommender.knowledge import Knowledge
from recommender.rows import Rule

_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, and the ceiling in mg a day that it sets: None without one, or when it is not known."""

    reason: Reason
    cap_mg_per_day: float | None


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
    return _judge(ingredient, chart(patient, features, knowledge), current)


def evaluate_all(
    ingredients: Sequence[str],
    patient: CanonicalPatient,
    features: FeatureVector,
    knowledge: Knowledge,
    *,
    current: bool = False,
) -> Mapping[str, tuple[Finding, ...]]:
    """Return ``evaluate`` for several drugs of one patient; answers that they share are worked out once."""
    indexed = chart(patient, features, knowledge)
    return {ingredient: _judge(ingredient, indexed, current) for ingredient in ingredients}


def _judge(ingredient: str, indexed: Chart, current: bool) -> tuple[Finding, ...]:
    drug = subject(ingredient, indexed)
    found: list[Finding] = []
    for rule in indexed.knowledge.rules_of.get(drug.name, ()):
        outcome = None if drug.taken else indexed.shared.get(rule.id)
        if outcome is None:
            outcome = FALSE if _skipped(rule, current) else _answered(rule, indexed, drug)
        if outcome.holds is not False:
            found.append(_finding(rule, outcome, indexed, drug, current))
    return _most_serious(found)


def _answered(rule: Rule, indexed: Chart, drug: Subject) -> Outcome:
    outcome = _narrowed(rule, indexed, triggers.answer(rule, indexed, drug))
    if not triggers.depends(rule, drug):
        indexed.shared[rule.id] = outcome
    return outcome


def _skipped(rule: Rule, current: bool) -> bool:
    """A drug is no duplicate of itself; the dose of a candidate is dosing's matter."""
    if current:
        return rule.kind == "drug" and rule.trigger == "same_ingredient"
    return rule.kind == "dose"


def _narrowed(rule: Rule, indexed: Chart, outcome: Outcome) -> Outcome:
    """Apply the sex and age that a rule is limited to."""
    if outcome.holds is False or not (rule.sex or rule.age_from is not None):
        return outcome
    sex, age = indexed.features.text("sex"), indexed.features.number("age")
    if (rule.sex and sex in ("female", "male") and sex != rule.sex) or (
        rule.age_from is not None and age is not None and age < rule.age_from
    ):
        return FALSE
    if rule.sex and sex != rule.sex:
        return Outcome(None, missing="sex", why="is not known")
    if rule.age_from is not None and age is None:
        return Outcome(None, missing="age", why="is not known")
    return outcome


def _finding(rule: Rule, outcome: Outcome, indexed: Chart, drug: Subject, current: bool) -> Finding:
    known = outcome.holds is True
    grave = rule.severity == "contraindicated"
    reason = Reason(
        rule=rule.id,
        severity=rule.severity,
        message=_told(rule, outcome, indexed, drug, current) if known else _asked(outcome, drug, current),
        source=rule.basis.source,
        verified=rule.basis.verified,
        unknown=not known,
        missing=None if known else outcome.missing,
        gap=None if known else outcome.why,
        # A wash-out drug without its stop date may have been stopped yesterday: that is no gap to ask about later.
        blocks=grave and (known or outcome.seen or rule.on_unknown == "block"),
        facts=outcome.facts,
    )
    return Finding(reason, rule.cap_mg if known else None)


def _told(rule: Rule, outcome: Outcome, indexed: Chart, drug: Subject, current: bool) -> str:
    other = _replaced(rule, indexed, drug) if rule.message_replacing and not current else ""
    template = rule.message_replacing if other else rule.message
    text = template.format(
        trigger=other or outcome.found,
        drug=drug.spoken,
        value=outcome.value,
        unit=rule.unit,
        date=outcome.day or "a day not recorded",
    )
    return _sentence(text) + (_above(rule, indexed, drug) if current else "")


def _replaced(rule: Rule, indexed: Chart, drug: Subject) -> str:
    """Name the present antidepressants that a new one would replace, empty when another drug is meant."""
    knowledge = indexed.knowledge
    if not knowledge.in_class(drug.name, "antidepressant"):
        return ""
    others = triggers.others(rule, indexed, drug, indexed.active)
    if not others or any(not one.names & knowledge.classes["antidepressant"] for one in others):
        return ""
    return " and ".join(dict.fromkeys(one.label for one in others))


def _above(rule: Rule, indexed: Chart, drug: Subject) -> str:
    """Say so when the dose that is taken is above the ceiling of the rule."""
    if rule.cap_mg is None or rule.kind == "dose":
        return ""
    doses = (one.course.dose_mg_per_day for one in indexed.active if one.names & drug.names)
    high = next((dose for dose in doses if dose is not None and dose > rule.cap_mg), None)
    return "" if high is None else f" The dose on record is {high:g} mg a day."


def _asked(outcome: Outcome, drug: Subject, current: bool) -> str:
    purpose = f"needed to judge {drug.spoken}" if current else f"ask before {drug.spoken}"
    return _sentence(f"{outcome.missing} {outcome.why}: {purpose}.")


def _sentence(text: str) -> str:
    """Begin with a capital, but leave eGFR as it is."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def _order(finding: Finding) -> tuple[bool, int, bool, str]:
    reason = finding.reason
    return (not reason.blocks, _RANK[reason.severity], reason.unknown, reason.rule)


def _most_serious(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort, and keep one finding for each missing input and for each sentence; ceilings are never dropped."""
    kept: dict[str, Finding] = {}
    for finding in sorted(found, key=_order):
        reason = finding.reason
        key = f"missing {reason.missing}" if reason.unknown else reason.message
        first = kept.setdefault(key, finding)
        if finding.cap_mg_per_day is not None and first is not finding:
            caps = [cap for cap in (first.cap_mg_per_day, finding.cap_mg_per_day) if cap is not None]
            kept[key] = replace(first, cap_mg_per_day=min(caps))
    return tuple(kept.values())
