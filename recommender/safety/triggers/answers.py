"""From the kind of a rule to the module that answers it."""

from collections.abc import Callable, Mapping

from recommender.catalog.rows import Kind, Rule
from recommender.ranker.outcomes import Outcome
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers import allergies, coded, drugs, measured, pregnancy, problems


def answer(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the trigger of ``rule`` holds in ``chart`` for a drug that is given or judged."""
    return _KINDS[rule.kind](rule, chart, subject)


def shared_as(rule: Rule, chart: Chart, subject: Subject) -> str:
    """Return the name under which other drugs of the chart share the answer, empty where it is this drug's alone.

    A trigger that means the judged drug's own course is its alone, because a drug never interacts with itself; the
    duplicate rule has one answer for all drugs of a class.
    """
    if rule.kind == "dose" or rule.trigger == "same_ingredient":
        return ""
    if subject.product and (rule.kind == "drug" or rule.message_replacing):
        return ""
    by_class = rule.trigger == "same_class"
    if not by_class and not subject.own and not subject.stopped:  # as most are
        return rule.id
    if subject.stopped and rule.operator == "active_or_within_days":
        return ""
    if not by_class and not (subject.own and (rule.kind == "drug" or rule.message_replacing)):
        return rule.id
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if subject.own and not (trigger.drugs.isdisjoint(subject.own) and trigger.classes.isdisjoint(subject.own_classes)):
        return ""
    return f"{rule.id} of {', '.join(drugs.own_classes(trigger, chart, subject))}" if by_class else rule.id


def _always(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    return Outcome(True, rule.label)


_KINDS: Mapping[Kind, Callable[[Rule, Chart, Subject], Outcome]] = {
    "drug": drugs.taken,
    "dose": drugs.dose,
    "diagnosis": problems.listed,
    "setting": problems.listed,
    "age": measured.value,
    "lab": measured.value,
    "vital": measured.value,
    "data": measured.days_old,
    "scale": measured.score,
    "sex": coded.sex,
    "genetics": coded.code,
    "substance": coded.code,
    "pregnancy": pregnancy.status,
    "allergy": allergies.recorded,
    "boxed": _always,
}
