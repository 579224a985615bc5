"""What a rule says of a chart, put into words once; each drug then only adds its name."""

import msgspec

from recommender.assessment import SEVERITIES, Severity
from recommender.catalog.rows import Rule
from recommender.ranker.outcomes import Outcome
from recommender.safety import other_use
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers import drugs

Parts = tuple[str, ...]
Order = tuple[bool, bool, int, str]
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_WAIVED: dict[Severity, Severity] = {"contraindicated": "monitor", "warning": "monitor"}


class Said(msgspec.Struct, frozen=True, gc=False):
    """A rule that holds, or is not known, in one chart.

    ``parts`` is the sentence, cut where the drug is named; ``replacing`` the one for an antidepressant in place of
    those that are taken, empty where it is none. ``order`` sorts the most serious first. ``limits`` says that it may
    act on a dose, ``ceiling`` that it does nothing else. ``gap`` names a missing input, of which one reason is enough;
    ``at_risk`` is false where it is wanted only of patients at a risk that the chart does not show.
    """

    rule: Rule
    outcome: Outcome
    severity: Severity
    unknown: bool
    blocks: bool
    order: Order
    parts: Parts
    replacing: Parts
    limits: bool
    ceiling: bool
    gap: str
    at_risk: bool


def said(rule: Rule, outcome: Outcome, chart: Chart, subject: Subject, *, current: bool) -> Said | None:
    """Return what ``rule`` says where its trigger gave ``outcome``; nothing where it does not hold.

    Of a rule that this site took out of force it tells what it would have said; it excludes and caps nothing.
    """
    known = outcome.holds is True
    if outcome.holds is False or (rule.waived and not known):
        return None
    grave = rule.severity == "contraindicated" and not rule.waived
    # A wash-out drug without its stop date may have been stopped yesterday: that is no gap to ask about later.
    blocks = grave and (known or outcome.seen or rule.on_unknown == "block")
    severity = _WAIVED.get(rule.severity, "none") if rule.waived else rule.severity
    other = _replaced(rule, chart, subject) if known and rule.message_replacing and not current else ""
    limits = not rule.waived and (rule.cap_mg is not None or rule.id in chart.knowledge.doses.adjustments)
    return Said(
        rule=rule,
        outcome=outcome,
        severity=severity,
        unknown=not known,
        blocks=blocks,
        order=order(severity, rule.id, blocks=blocks, unknown=not known),
        parts=_cut(rule.message, rule, outcome, outcome.found) if known else _asked(outcome, current=current),
        replacing=_cut(rule.message_replacing, rule, outcome, other) if other else (),
        limits=limits,
        ceiling=limits and known and not current and rule.grounds == "label_dose",
        gap="" if known else f"missing {outcome.missing}",
        at_risk=known or rule.on_unknown == "block" or _at_risk(rule, chart),
    )


def noted(one: Said, words: str) -> Said:
    """Return a gap of which something else on file says that it is small: it only asks to watch, and limits nothing."""
    return msgspec.structs.replace(
        one,
        severity="monitor",
        blocks=False,
        order=order("monitor", one.rule.id, blocks=False, unknown=True),
        parts=(_sentence(f"{words}: check it before "), "."),
        limits=False,
        ceiling=False,
    )


def replaces(one: Said, subject: Subject, chart: Chart) -> bool:
    """Say whether the rule is about drugs that the judged one takes the place of: the plan ends them already."""
    return bool(one.replacing) and chart.knowledge.in_class(subject.name, "antidepressant")


def _at_risk(rule: Rule, chart: Chart) -> bool:
    """Say whether the chart shows a risk for which the missing input is wanted; a list not whole may hold one."""
    risks = chart.knowledge.triggers[rule.kind, rule.trigger].risks
    if not risks or chart.unlisted.problems.holds is None or chart.unlisted.drugs.holds is None:
        return True
    return not risks.isdisjoint(chart.present) or any(
        not (risks.isdisjoint(one.names) and risks.isdisjoint(one.course.classes)) for one in chart.active
    )


def order(severity: Severity, rule: str, *, blocks: bool, unknown: bool) -> Order:
    """Return what reasons are sorted by: what excludes first, then what is known, then the most serious."""
    return (not blocks, unknown, _RANK[severity], rule)


def message(one: Said, subject: Subject, chart: Chart, *, replaces: bool, current: bool) -> str:
    """Return the sentence about one drug, which ``replaces`` those that the rule is about."""
    parts = one.replacing if replaces else one.parts
    text = subject.spoken.join(parts)
    if one.unknown:
        return text
    if len(parts[0]) < 2:
        text = _sentence(text)
    if one.rule.waived:
        text = f"{one.rule.waived}: {text}"
    return text + _above(one.rule, chart, subject) if current else text


def _asked(outcome: Outcome, *, current: bool) -> Parts:
    purpose = "needed to judge" if current else "ask before"
    return _sentence(f"{outcome.missing} {outcome.why}: {purpose} "), "."


def _cut(template: str, rule: Rule, outcome: Outcome, trigger: str) -> Parts:
    day = outcome.day or "a day not recorded"
    first, *rest = (
        part.format(trigger=trigger, value=outcome.value, unit=rule.unit, date=day) for part in template.split("{drug}")
    )
    return (_sentence(first), *rest)


def _sentence(text: str) -> str:
    """Begin with a capital, but leave eGFR as it is."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def _replaced(rule: Rule, chart: Chart, subject: Subject) -> str:
    """Name the present antidepressants that a new one would replace, empty when another drug is meant."""
    members = chart.knowledge.classes["antidepressant"]
    others = drugs.others(rule, chart, subject, chart.active)
    if any(members.isdisjoint(one.names) or other_use.of(one.course, chart.knowledge) for one in others):
        return ""
    return " and ".join(dict.fromkeys(one.label for one in others))


def _above(rule: Rule, chart: Chart, subject: Subject) -> str:
    """Say so when the dose that is taken is above the ceiling of the rule."""
    if rule.cap_mg is None or rule.kind == "dose":
        return ""
    doses = (one.course.dose_mg_per_day for one in chart.active if one.names & subject.names)
    high = next((dose for dose in doses if dose is not None and dose > rule.cap_mg), None)
    return "" if high is None else f" The dose on record is {high:g} mg a day."
