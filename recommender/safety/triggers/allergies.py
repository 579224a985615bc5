"""What the allergy list answers: an allergy to the judged drug, to another, or to something that nobody identified."""

from fhir_adapters.canonical import Allergy
from recommender.catalog.rows import Rule
from recommender.ranker.outcomes import Outcome
from recommender.safety.chart import Chart, Subject


def recorded(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether an allergy to what the trigger names is on the list."""
    if rule.trigger == "same_ingredient":
        for one in chart.patient.allergies:
            if _means_itself(one, chart, subject):
                return _allergic(one)
        return chart.unlisted.allergies
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if not (trigger.drugs.isdisjoint(chart.allergens) and trigger.classes.isdisjoint(chart.allergens)):
        for one in chart.patient.allergies:
            if not (trigger.drugs.isdisjoint(one.ingredients) and trigger.classes.isdisjoint(one.classes)):
                return _allergic(one)
    return chart.unlisted.allergy_classes if trigger.classes else chart.unlisted.allergies


def _means_itself(allergy: Allergy, chart: Chart, subject: Subject) -> bool:
    if not subject.names.isdisjoint(allergy.ingredients):
        return True
    return bool(allergy.classes) and any(chart.knowledge.in_class(subject.name, name) for name in allergy.classes)


def _allergic(allergy: Allergy) -> Outcome:
    return Outcome(True, f"recorded allergy to {allergy.text}", facts=(allergy.source.reference,))
