"""What one coded feature answers: a gene variant, smoking, sex.

Which codes hold is data (``conditions`` and ``possible`` of triggers.csv). A feature that is not there is unknown.
"""

from datetime import date

from recommender.catalog.rows import Rule
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers.measured import gap, reference


def code(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the code of the feature that the trigger reads is one that holds."""
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger].row
    feature = chart.features.features[trigger.feature]
    facts = reference(feature)
    if feature.status != "present" or not isinstance(feature.value, str):
        return Outcome(None, missing=rule.label, why=gap(feature), facts=facts)
    if rule.operator == "stopped_within":
        stopped = feature.value in trigger.possible and not _long_ago(rule, chart, feature.effective)
        return Outcome(None, missing=rule.label, why="is not recorded", facts=facts) if stopped else FALSE
    if feature.value not in trigger.conditions:
        return FALSE
    words = ", ".join((feature.value.replace("_", " "), *((str(feature.effective),) if feature.effective else ())))
    return Outcome(True, f"{rule.label} ({words})", feature.value, feature.effective, facts=facts)


def _long_ago(rule: Rule, chart: Chart, day: date | None) -> bool:
    """A chart says that somebody no longer smokes, not since when: only an old record proves a stop long ago."""
    return day is not None and (chart.day - day).days > (rule.value or 0)


def sex(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the recorded sex is the one that the rule is about."""
    recorded = chart.features.text("sex")
    if recorded not in ("female", "male"):
        return Outcome(None, missing="sex", why="is not known")
    return Outcome(True, rule.label) if recorded == rule.trigger else FALSE
