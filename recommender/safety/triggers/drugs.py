"""What the medication list answers: other drugs, taken or not yet washed out, their number, the drug's own dose."""

from collections.abc import Iterable
from datetime import date

from recommender.catalog.rows import Rule, Trigger
from recommender.ranker.outcomes import FALSE, Outcome, listed
from recommender.safety.chart import Chart, Subject, Taken
from recommender.safety.triggers.measured import COMPARE


def taken(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether what the trigger means is taken, was within the wash-out, or is there so many times."""
    if rule.trigger == "same_ingredient":
        return _same_drug(rule, chart, subject)
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    touched = not (trigger.drugs.isdisjoint(chart.names) and trigger.classes.isdisjoint(chart.classes))
    active = others(rule, chart, subject, chart.active) if touched else ()
    if rule.operator == ">=":
        return _count(rule, active, chart)
    if active:
        return _taking(rule, active)
    if touched and rule.operator == "active_or_within_days":
        washed = _wash_out(rule, others(rule, chart, subject, chart.stopped), chart.day)
        if washed is not FALSE:
            return washed
    return _no_duplicate(trigger, chart, subject) if rule.trigger == "same_class" else _not_seen(rule, trigger, chart)


def others(rule: Rule, chart: Chart, subject: Subject, courses: Iterable[Taken]) -> tuple[Taken, ...]:
    """Return the drugs among ``courses`` that the trigger means, the judged drug itself left out.

    The duplicate rule looks for the classes of the judged drug alone.
    """
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if rule.trigger == "same_class":
        found = _of_class(own_classes(trigger, chart, subject), chart, courses)
    else:
        found = [one for one in courses if _meant(trigger, one)]
    return tuple(one for one in found if not _itself(one, subject))


def _itself(one: Taken, subject: Subject) -> bool:
    return bool(one.names and one.names <= subject.names) or one.course.source.reference == subject.product


def _meant(trigger: Trigger, one: Taken) -> bool:
    return not (trigger.drugs.isdisjoint(one.names) and trigger.classes.isdisjoint(one.course.classes))


def own_classes(trigger: Trigger, chart: Chart, subject: Subject) -> list[str]:
    """Return the classes of the judged drug of which two count as a duplicate."""
    if subject.name not in trigger.drugs:
        return []
    classes = chart.knowledge.classes
    return [name for name in trigger.row.drugs if subject.name in classes.get(name, ())]


def _of_class(names: Iterable[str], chart: Chart, courses: Iterable[Taken]) -> list[Taken]:
    members = [(name, chart.knowledge.classes[name]) for name in names]
    return [
        one
        for one in courses
        if any(name in one.course.classes or not held.isdisjoint(one.names) for name, held in members)
    ]


def _no_duplicate(trigger: Trigger, chart: Chart, subject: Subject) -> Outcome:
    by_name, by_class = chart.unlisted.drugs, chart.unlisted.drug_classes
    return by_class if by_class is not by_name and own_classes(trigger, chart, subject) else by_name


def _same_drug(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    same = tuple(one for one in chart.active if one.names & subject.names) if subject.taken else ()
    return _taking(rule, same) if same else chart.unlisted.drugs


def _taking(rule: Rule, found: tuple[Taken, ...]) -> Outcome:
    words = [_with_class(one, rule.label) + _since(one.course.start) for one in found]
    return Outcome(True, listed(words), day=found[0].course.start, facts=_references(found))


def _with_class(one: Taken, label: str) -> str:
    return one.label if label == one.label or label.startswith("the same") else f"{one.label} ({label})"


def _since(start: date | None) -> str:
    return f" since {start}" if start else ""


def _references(found: Iterable[Taken]) -> tuple[str, ...]:
    return tuple(one.course.source.reference for one in found)


def _wash_out(rule: Rule, stopped: tuple[Taken, ...], day: date) -> Outcome:
    """Day ``value`` after the stop still counts: the chart knows days, the label counts whole ones."""
    undated: Taken | None = None
    for one in stopped:
        stop = one.course.stop
        if stop is None:
            undated = undated or one
        elif (day - stop).days <= (rule.value or 0):
            found = f"{_with_class(one, rule.label)} stopped on {stop}"
            return Outcome(True, found, day=stop, facts=_references((one,)))
    if undated is None:
        return FALSE
    missing = f"stop date of {undated.label}"
    return Outcome(None, missing=missing, why="is not recorded", facts=_references((undated,)), seen=True)


def _count(rule: Rule, found: tuple[Taken, ...], chart: Chart) -> Outcome:
    different = {one.names or frozenset({one.label}): one for one in found}
    number = len(different) + 1
    if number >= (rule.value or 0):
        words = listed([one.label for one in different.values()])
        return Outcome(True, f"{number} {rule.label} with {words}", str(number), facts=_references(different.values()))
    doubtful = chart.unnamed + len(chart.unreviewed)
    enough = number + doubtful >= (rule.value or 0)
    return chart.unlisted.drug_classes if enough or not doubtful else FALSE


def _not_seen(rule: Rule, trigger: Trigger, chart: Chart) -> Outcome:
    for one in chart.classed:
        if not trigger.possible.isdisjoint(one.course.classes):
            why = f"“{one.label}” may be {rule.label}"
            return Outcome(None, missing=one.label, why=why, facts=_references((one,)))
    return chart.unlisted.drug_classes if trigger.classes else chart.unlisted.drugs


def dose(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Judge the dose that is taken; a candidate's dose is capped by dosing instead."""
    course = next((one.course for one in chart.active if one.names & subject.names), None)
    if course is None:
        return FALSE
    facts = (course.source.reference,)
    if course.dose_mg_per_day is None:
        return Outcome(None, missing=f"daily dose of {subject.spoken}", why="could not be read", facts=facts)
    if not COMPARE[rule.operator](course.dose_mg_per_day, rule.value or 0):
        return FALSE
    words = f"{course.dose_mg_per_day:g}"
    return Outcome(True, f"{words} mg a day", words, course.start, facts=facts)
