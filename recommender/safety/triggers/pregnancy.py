"""What pregnancy and breastfeeding answer; asked for only where sex and age leave them open."""

from fhir_adapters.canonical import Feature
from recommender.catalog.rows import Rule
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers import problems
from recommender.safety.triggers.measured import gap, reference


def status(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the patient is, or may become, what the trigger names."""
    if rule.trigger == "breastfeeding":
        return _breastfeeding(rule, chart, subject)
    if rule.trigger == "childbearing_potential":
        may = _may_be_pregnant(chart)
        return Outcome(may, rule.label, missing="" if may is not None else rule.label, why="is not known")
    feature = chart.features.features["pregnancy_status"]
    if feature.status == "present":
        return _pregnant(rule, feature)
    if _may_be_pregnant(chart) is False:
        return FALSE
    return Outcome(None, missing="pregnancy status", why=gap(feature))


def _pregnant(rule: Rule, feature: Feature) -> Outcome:
    if feature.value != "pregnant" or rule.trigger == "unknown_and_childbearing_age":
        return FALSE
    if rule.trigger == "first_trimester":
        return Outcome(None, missing="trimester", why="is not on file", facts=reference(feature))
    return _recorded(rule, feature)


def _breastfeeding(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    feature = chart.features.features["breastfeeding_status"]
    if feature.status != "present":
        return problems.listed(rule, chart, subject) if _may_be_pregnant(chart) is not False else FALSE
    return _recorded(rule, feature) if feature.value == "breastfeeding" else FALSE


def _recorded(rule: Rule, feature: Feature) -> Outcome:
    when = f" (recorded on {feature.effective})" if feature.effective else ""
    return Outcome(True, rule.label + when, day=feature.effective, facts=reference(feature))


def _may_be_pregnant(chart: Chart) -> bool | None:
    """Say whether pregnancy is to be asked for: None where sex or age leaves it open."""
    sex, age = chart.features.text("sex"), chart.features.number("age")
    first, last = (chart.knowledge.policies[f"childbearing_age_{end}"] for end in ("from", "to"))
    if sex == "male" or (age is not None and not first <= age <= last):
        return False
    return True if sex == "female" and age is not None else None
