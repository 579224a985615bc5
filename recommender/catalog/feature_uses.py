"""Which rules, gates, guideline steps and models read which feature: for the page of the features."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from recommender.catalog.consistency import STEP_READINGS
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Rule
from recommender.cohort.evidence import PATIENT_FEATURES

MODEL = "model depression-1"
# What becomes another column of the model: the present trial, and the exposure that a gene changes.
_READ_BESIDE = ("antidepressant_days", "cyp2c19_phenotype")
_BY_KIND = {"age": ("age",), "sex": ("sex",), "pregnancy": ("pregnancy_status", "sex", "age")}


def uses(knowledge: Knowledge) -> Mapping[str, tuple[str, ...]]:
    """Return feature → what reads it: rule, gate and step ids in order, then the model."""
    found: dict[str, set[str]] = defaultdict(set)
    rules = {rule.id: rule for held in knowledge.rules_of.values() for rule in held}
    for rule in rules.values():
        for name in _read_by(rule, knowledge):
            found[name].add(rule.id)
    for gate in knowledge.gates:
        kind, _, names = gate.reads.partition(":")
        for name in names.split("+") if kind in ("feature", "features") else ():
            found[name].add(gate.id)
    for step in knowledge.guideline_steps:
        for one in step.reads.split("&"):
            for name in STEP_READINGS.get(one, (one,)):
                found[name].add(step.id)
    model = dict.fromkeys((*map(str, PATIENT_FEATURES), *_READ_BESIDE), (MODEL,))
    names = sorted({*found, *model})
    return {name: (*sorted(found[name]), *model.get(name, ())) for name in names}


def _read_by(rule: Rule, knowledge: Knowledge) -> Iterator[str]:
    if not rule.evaluable:
        return
    row = knowledge.triggers[rule.kind, rule.trigger].row if (rule.kind, rule.trigger) in knowledge.triggers else None
    if row is not None and row.feature:
        yield row.feature
    if rule.trigger in knowledge.doses.child_pugh.triggers:
        yield from (lab.feature for lab in knowledge.doses.child_pugh.labs)
    yield from _BY_KIND.get(rule.kind, ())
    yield from ("sex",) if rule.sex else ()
    yield from ("age",) if rule.age_from is not None else ()
