"""What numbers answer: age, laboratory values, vital signs, scores, and how old a value is."""

import operator
from collections.abc import Callable, Mapping

from fhir_adapters.canonical import Feature
from recommender.catalog.rows import Rule
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers import kidney

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def value(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the feature that the trigger reads lies on the rule's side of its threshold."""
    name = chart.knowledge.triggers[rule.kind, rule.trigger].row.feature
    found = compared(rule, chart, name)
    return kidney.staged(rule, chart, name, found) if name in kidney.FEATURES else found


def compared(rule: Rule, chart: Chart, name: str) -> Outcome:
    """Return whether the feature ``name`` lies on the rule's side of its threshold."""
    feature = chart.features.features[name]
    number = chart.features.number(name)
    if feature.status != "present" or number is None:
        return Outcome(None, missing=rule.label, why=_lacking(feature, chart), facts=reference(feature))
    if not COMPARE[rule.operator](number, rule.value or 0):
        return FALSE
    unit = "" if rule.kind in ("age", "scale") else f" {_spoken(rule.unit)}"
    when = f" on {feature.effective}" if feature.effective and rule.kind != "age" else ""
    found = f"{rule.label} {number:g}{unit}{when}"
    return Outcome(True, found, f"{number:g}", feature.effective, facts=reference(feature))


def _lacking(feature: Feature, chart: Chart) -> str:
    """Say why a feature has no value; of one that is worked out, what is wrong with the input that was there."""
    name, _, _ = (feature.reason or "").rpartition("-")
    given = chart.features.features.get(name) if feature.status == "missing" else None
    if given is None or given.status in ("present", "missing"):
        return gap(feature)
    return f"was not worked out, {name.replace('_', ' ')} {gap(given)}"


def _spoken(unit: str) -> str:
    """Write a UCUM unit as people do: mmHg for mm[Hg], 10⁹ for 10*9."""
    return unit.replace("[", "").replace("]", "").replace("10*9", "10⁹")


def days_old(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the last value is older than the rule allows; a stale one has a day too."""
    feature = chart.features.features[chart.knowledge.triggers[rule.kind, rule.trigger].row.feature]
    if feature.effective is None:
        return Outcome(None, missing=rule.label, why=gap(feature) if feature.status != "present" else "is not dated")
    days = (chart.day - feature.effective).days
    if not COMPARE[rule.operator](days, rule.value or 0):
        return FALSE
    return Outcome(True, f"{rule.label} {days} days", str(days), feature.effective, facts=reference(feature))


def score(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether a score reaches what the trigger, or the rule, asks for."""
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if trigger.scale is None:
        return compared(rule, chart, trigger.row.feature)
    scale, part, low = trigger.scale
    found = next((one for one in chart.patient.scales if (one.scale, one.part) == (scale, part)), None)
    if found is None:
        return Outcome(None, missing=rule.label, why="is not on file")
    if found.value < low:
        return FALSE
    when = f" on {found.effective}" if found.effective else ""
    words = f"{rule.label} {found.value:g}{when}"
    return Outcome(True, words, f"{found.value:g}", found.effective, facts=(found.source.reference,))


def gap(feature: Feature) -> str:
    """Say in words why a feature has no value to judge by."""
    if feature.status == "missing":
        return "is not on file"
    if feature.status == "stale":
        return f"is too old ({feature.effective})" if feature.effective else "is too old"
    words = {"conflicting": "is recorded with conflicting values"}.get(feature.status, "could not be used")
    return f"{words} ({feature.reason.replace('-', ' ')})" if feature.reason else words


def reference(feature: Feature) -> tuple[str, ...]:
    """Return the resource behind a feature, where there is one."""
    return (feature.source.reference,) if feature.source else ()
