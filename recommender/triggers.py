"""Three-valued answers to a rule's trigger, one function for each kind of trigger.

True is said of what was found; false only where looking was possible (a list supplied whole, a value present
and fresh); everything else is unknown, with the missing input named.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from fhir_adapters.canonical import Allergy, Diagnosis, Feature
from recommender.chart import FALSE, Chart, Outcome, Subject, Taken
from recommender.rows import Kind, Rule, Trigger

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
OWN = ("same_ingredient", "same_class")
PROBLEMS, DRUGS, ALLERGIES = "problem list", "medication list", "allergy list"


def answer(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the trigger of ``rule`` holds in ``chart`` for a drug that is given or judged."""
    own = subject.name if depends(rule, subject) else ""
    key = (rule.kind, rule.trigger, rule.operator, rule.value, rule.severity, own)
    known = chart.answers.get(key)
    if known is None:
        known = _KINDS[rule.kind](rule, chart, subject)
        chart.answers[key] = known
    return known


def depends(rule: Rule, subject: Subject) -> bool:
    """Say whether the answer is another for another drug; what does not depend is worked out once a chart."""
    if rule.kind == "drug":
        return subject.taken or rule.operator == ">=" or rule.trigger in OWN
    return rule.kind in ("allergy", "dose")


def others(rule: Rule, chart: Chart, subject: Subject, taken: Iterable[Taken]) -> tuple[Taken, ...]:
    """Return the drugs among ``taken`` that the trigger means, the judged drug itself left out."""
    trigger = _trigger(rule, chart, subject)
    if trigger.drugs.isdisjoint(chart.names) and trigger.classes.isdisjoint(chart.classes):
        return ()
    own = subject.names
    return tuple(
        one
        for one in taken
        if (one.names & trigger.drugs or trigger.classes.intersection(one.course.classes))
        and not (one.names and one.names <= own)
    )


def _drug(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    if rule.trigger == "same_ingredient":
        return _same_drug(rule, chart, subject)
    active = others(rule, chart, subject, chart.active)
    if rule.operator == ">=":
        return _count(rule, active, chart)
    if active:
        return _taking(rule, active)
    if rule.operator == "active_or_within_days":
        washed = _wash_out(rule, others(rule, chart, subject, chart.stopped), chart.day)
        if washed is not FALSE:
            return washed
    return _not_seen(rule, _trigger(rule, chart, subject), chart)


def _same_drug(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    names = subject.names
    same = tuple(one for one in chart.active if one.names & names)
    return _taking(rule, same) if same else _list_gap(chart, "medications", DRUGS)


def _trigger(rule: Rule, chart: Chart, subject: Subject) -> Trigger:
    """Return what a drug rule looks for; the duplicate rule looks for the class of the judged drug alone."""
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if rule.trigger != "same_class":
        return trigger
    own = frozenset(name for name in trigger.row.drugs if chart.knowledge.in_class(subject.name, name))
    members = frozenset(one for name in own for one in chart.knowledge.classes[name])
    return Trigger(trigger.row, members, own, frozenset(), None)


def _taking(rule: Rule, found: tuple[Taken, ...]) -> Outcome:
    words = [_with_class(one, rule.label) + _since(one.course.start) for one in found]
    facts = tuple(one.course.source.reference for one in found)
    return Outcome(True, _listed(words), day=found[0].course.start, facts=facts)


def _with_class(one: Taken, label: str) -> str:
    return one.label if label == one.label or label.startswith("the same") else f"{one.label} ({label})"


def _since(start: date | None) -> str:
    return f" since {start}" if start else ""


def _listed(words: list[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]


def _wash_out(rule: Rule, stopped: tuple[Taken, ...], day: date) -> Outcome:
    """Day ``value`` after the stop still counts: the chart knows days, the label counts whole ones."""
    undated: Taken | None = None
    for one in stopped:
        stop = one.course.stop
        if stop is None:
            undated = undated or one
        elif (day - stop).days <= (rule.value or 0):
            found = f"{_with_class(one, rule.label)} stopped on {stop}"
            return Outcome(True, found, day=stop, facts=(one.course.source.reference,))
    if undated is None:
        return FALSE
    missing, facts = f"stop date of {undated.label}", (undated.course.source.reference,)
    return Outcome(None, missing=missing, why="is not recorded", facts=facts, seen=True)


def _count(rule: Rule, others: tuple[Taken, ...], chart: Chart) -> Outcome:
    different = {one.names or frozenset({one.label}): one for one in others}
    number = len(different) + 1
    if number >= (rule.value or 0):
        words = _listed([one.label for one in different.values()])
        facts = tuple(one.course.source.reference for one in different.values())
        return Outcome(True, f"{number} CNS-active drugs with {words}", str(number), facts=facts)
    enough = number + chart.unnamed >= (rule.value or 0)
    return _list_gap(chart, "medications", DRUGS) if enough or not chart.unnamed else FALSE


def _not_seen(rule: Rule, trigger: Trigger, chart: Chart) -> Outcome:
    for one in chart.active:
        if not one.names and trigger.possible.intersection(one.course.classes):
            why = f"“{one.label}” may be {rule.label}"
            return Outcome(None, missing=one.label, why=why, facts=(one.course.source.reference,))
    return _list_gap(chart, "medications", DRUGS)


def _list_gap(chart: Chart, name: str, words: str) -> Outcome:
    """Return false for a list supplied whole and understood, unknown with the reason for any other."""
    state = chart.state(name)
    if state != "supplied":
        why = "was not supplied" if state == "not-supplied" else "could not be read whole"
        return Outcome(None, missing=words, why=why)
    if name == "medications" and chart.unnamed:
        drugs = "one drug" if chart.unnamed == 1 else f"{chart.unnamed} drugs"
        return Outcome(None, missing=words, why=f"holds {drugs} that could not be identified")
    return FALSE


def _diagnosis(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger].row
    active = _first(trigger.conditions, chart.present)
    past = _first(trigger.conditions, chart.past)
    if rule.operator == "absent":
        return _absent(rule, active, chart)
    found = active or (past if rule.operator == "ever" else None)
    if found:
        return Outcome(True, rule.label + _on(found), day=found.onset, facts=(found.source.reference,))
    measured = _measured(rule, chart, trigger.feature) if trigger.feature else FALSE
    if measured.holds:
        return measured
    if past and rule.severity == "contraindicated":
        return Outcome(None, missing=rule.label, why="is recorded as past", facts=(past.source.reference,))
    possible = _first(trigger.possible, chart.present)
    if possible:
        why = f"is not settled by “{possible.text}” on the problem list"
        return Outcome(None, missing=rule.label, why=why, facts=(possible.source.reference,))
    if not trigger.complete and chart.state("conditions") == "supplied":
        return Outcome(None, missing=rule.label, why="cannot be read from the record")
    unlisted = _list_gap(chart, "conditions", PROBLEMS)
    return unlisted if unlisted.holds is None else measured


def _absent(rule: Rule, active: Diagnosis | None, chart: Chart) -> Outcome:
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger].row
    if active:
        return FALSE
    if not trigger.complete:
        return Outcome(None, missing=rule.label, why="cannot be read from the record")
    unlisted = _list_gap(chart, "conditions", PROBLEMS)
    return unlisted if unlisted.holds is None else Outcome(True, f"no {rule.label} on the problem list")


def _first(keys: tuple[str, ...], diagnoses: Mapping[str, Diagnosis]) -> Diagnosis | None:
    return next((diagnoses[key] for key in keys if key in diagnoses), None)


def _on(diagnosis: Diagnosis) -> str:
    return f" (since {diagnosis.onset})" if diagnosis.onset else ""


def _value(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    return _measured(rule, chart, chart.knowledge.triggers[rule.kind, rule.trigger].row.feature)


def _measured(rule: Rule, chart: Chart, name: str) -> Outcome:
    feature = chart.features.features[name]
    value = chart.features.number(name)
    if feature.status != "present" or value is None:
        return Outcome(None, missing=rule.label, why=gap(feature), facts=_reference(feature))
    if not COMPARE[rule.operator](value, rule.value or 0):
        return FALSE
    unit = "" if rule.kind in ("age", "scale") else f" {_spoken(rule.unit)}"
    when = f" on {feature.effective}" if feature.effective and rule.kind != "age" else ""
    found = f"{rule.label} {value:g}{unit}{when}"
    return Outcome(True, found, f"{value:g}", feature.effective, facts=_reference(feature))


def _spoken(unit: str) -> str:
    """Write a UCUM unit as people do: mmHg for mm[Hg], 10⁹ for 10*9."""
    return unit.replace("[", "").replace("]", "").replace("10*9", "10⁹")


def gap(feature: Feature) -> str:
    """Say in words why a feature has no value to judge by."""
    if feature.status == "missing":
        return "is not on file"
    if feature.status == "stale":
        return f"is too old ({feature.effective})" if feature.effective else "is too old"
    words = {"conflicting": "is recorded with conflicting values"}.get(feature.status, "could not be used")
    return f"{words} ({feature.reason})" if feature.reason else words


def _reference(feature: Feature) -> tuple[str, ...]:
    return (feature.source.reference,) if feature.source else ()


def _data_age(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    feature = chart.features.features[chart.knowledge.triggers[rule.kind, rule.trigger].row.feature]
    if feature.effective is None:
        return Outcome(None, missing=rule.label, why=gap(feature) if feature.status != "present" else "is not dated")
    days = (chart.day - feature.effective).days
    if not COMPARE[rule.operator](days, rule.value or 0):
        return FALSE
    return Outcome(True, f"{rule.label} {days} days", str(days), feature.effective, facts=_reference(feature))


def _scale(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    if trigger.scale is None:
        return _measured(rule, chart, trigger.row.feature)
    scale, part, low = trigger.scale
    score = next((one for one in chart.patient.scales if (one.scale, one.part) == (scale, part)), None)
    if score is None:
        return Outcome(None, missing=rule.label, why="is not on file")
    if score.value < low:
        return FALSE
    when = f" on {score.effective}" if score.effective else ""
    found = f"{rule.label} {score.value:g}{when}"
    return Outcome(True, found, f"{score.value:g}", score.effective, facts=(score.source.reference,))


def _pregnancy(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    status = chart.features.features["pregnancy_status"]
    if rule.trigger == "breastfeeding":
        return _diagnosis(rule, chart, subject) if _may_be_pregnant(chart) is not False else FALSE
    if rule.trigger == "childbearing_potential":
        may = _may_be_pregnant(chart)
        return Outcome(may, rule.label, missing="" if may is not None else rule.label, why="is not known")
    if status.status == "present":
        return _pregnant(rule, chart.features.text("pregnancy_status") == "pregnant", status)
    if _may_be_pregnant(chart) is False:
        return FALSE
    return Outcome(None, missing="pregnancy status", why=gap(status))


def _pregnant(rule: Rule, pregnant: bool, status: Feature) -> Outcome:
    if not pregnant or rule.trigger == "unknown_and_childbearing_age":
        return FALSE
    if rule.trigger == "first_trimester":
        return Outcome(None, missing="trimester", why="is not on file", facts=_reference(status))
    when = f" (recorded on {status.effective})" if status.effective else ""
    return Outcome(True, rule.label + when, day=status.effective, facts=_reference(status))


def _may_be_pregnant(chart: Chart) -> bool | None:
    """Say whether pregnancy is to be asked for: None where sex or age leaves it open."""
    sex, age = chart.features.text("sex"), chart.features.number("age")
    first, last = (chart.knowledge.policies[f"childbearing_age_{end}"] for end in ("from", "to"))
    if sex == "male" or (age is not None and not first <= age <= last):
        return False
    return True if sex == "female" and age is not None else None


def _allergy(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    for allergy in chart.patient.allergies:
        if _means(allergy, rule, chart, subject):
            found = f"recorded allergy to {allergy.text}"
            return Outcome(True, found, facts=(allergy.source.reference,))
    open_ones = sum(not one.ingredients and not one.classes for one in chart.patient.allergies)
    if open_ones and chart.state("allergies") == "supplied":
        entries = "one entry" if open_ones == 1 else f"{open_ones} entries"
        return Outcome(None, missing=ALLERGIES, why=f"holds {entries} that could not be identified")
    return _list_gap(chart, "allergies", ALLERGIES)


def _means(allergy: Allergy, rule: Rule, chart: Chart, subject: Subject) -> bool:
    if rule.trigger == "same_ingredient":
        classes = (chart.knowledge.in_class(subject.name, name) for name in allergy.classes)
        return not subject.names.isdisjoint(allergy.ingredients) or any(classes)
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger]
    return not (trigger.drugs.isdisjoint(allergy.ingredients) and trigger.classes.isdisjoint(allergy.classes))


def _dose(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Judge the dose that is taken; a candidate's dose is capped by dosing instead."""
    names = subject.names
    course = next((one.course for one in chart.active if one.names & names), None)
    if course is None:
        return FALSE
    facts = (course.source.reference,)
    if course.dose_mg_per_day is None:
        return Outcome(None, missing=f"daily dose of {subject.spoken}", why="could not be read", facts=facts)
    if not COMPARE[rule.operator](course.dose_mg_per_day, rule.value or 0):
        return FALSE
    dose = f"{course.dose_mg_per_day:g}"
    return Outcome(True, f"{dose} mg a day", dose, course.start, facts=facts)


def _sex(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    sex = chart.features.text("sex")
    if sex not in ("female", "male"):
        return Outcome(None, missing="sex", why="is not known")
    return Outcome(True, rule.label) if sex == rule.trigger else FALSE


_KINDS: Mapping[Kind, Callable[[Rule, Chart, Subject], Outcome]] = {
    "drug": _drug,
    "diagnosis": _diagnosis,
    "setting": _diagnosis,
    "age": _value,
    "lab": _value,
    "vital": _value,
    "data": _data_age,
    "scale": _scale,
    "pregnancy": _pregnancy,
    "allergy": _allergy,
    "dose": _dose,
    "sex": _sex,
}
