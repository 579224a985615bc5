"""What a recorded stage of chronic kidney disease answers where no filtration was measured since.

A stage is a range of the GFR (``knowledge/ckd_stages.csv``): a rule holds where all of the range lies on its side,
and is unknown where only part of it does, or where the kidneys may have become worse. Creatinine clearance is read
by the same ranges.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fhir_adapters.canonical import Diagnosis
from recommender.catalog.rows import Rule
from recommender.errors import KnowledgeError
from recommender.ranker.outcomes import Outcome
from recommender.safety.chart import Chart

FEATURES = frozenset({"egfr", "crcl"})


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage by its key in terminology/conditions.csv: GFR from ``low`` to below ``below``, in mL/min/1.73m2."""

    key: str
    low: float
    below: float
    source: str

    @property
    def failing(self) -> bool:
        """Say whether it is the last stage, from which kidneys do not recover."""
        return self.low == 0


@cache
def stages() -> tuple[Stage, ...]:
    """Return the stages, the worst first; KnowledgeError U-KNOWLEDGE-ROW for a row that cannot be read."""
    text = (files("recommender") / "knowledge" / "ckd_stages.csv").read_text("utf-8")
    try:
        return tuple(
            Stage(row["key"], float(row["from"]), float(row["below"]), row["source"])
            for row in csv.DictReader(text.splitlines())
        )
    except (KeyError, ValueError) as error:
        raise KnowledgeError("U-KNOWLEDGE-ROW", f"ckd_stages.csv cannot be read ({error}); correct the row.") from error


def staged(rule: Rule, chart: Chart, feature: str, measured: Outcome) -> Outcome:
    """Return what the recorded stage says instead of ``measured``, which stays where there is no stage to go by.

    A filtration or clearance that was measured since the stage was recorded counts, but for the last stage.
    """
    found = next(((one, chart.present[one.key]) for one in stages() if one.key in chart.present), None)
    if found is None or measured.holds:
        return measured
    stage, problem = found
    if not _measured_since(chart, problem) or (measured.holds is None and stage.failing):
        return _by_stage(rule, stage, problem)
    if measured.holds is False and stage.failing and _within(rule, stage):
        why = f"is on file and does not agree with “{problem.text}” on the problem list"
        return Outcome(None, missing=rule.label, why=why, facts=(*measured.facts, problem.source.reference))
    return measured


def _measured_since(chart: Chart, problem: Diagnosis) -> bool:
    """Say whether a present filtration or clearance is at least as new as the problem; one of no known day is."""
    present = (one for name in FEATURES if (one := chart.features.features[name]).status == "present")
    return any(problem.onset is None or one.effective is None or one.effective >= problem.onset for one in present)


def _by_stage(rule: Rule, stage: Stage, problem: Diagnosis) -> Outcome:
    span = f"below {stage.below:g}" if stage.failing else f"{stage.low:g} to {stage.below - 1:g}"
    facts = (problem.source.reference,)
    if problem.certain and _within(rule, stage):
        return Outcome(True, f"{rule.label} {span} by “{problem.text}”", span, problem.onset, facts=facts)
    why = f"is not on file, with “{problem.text}” ({span}) on the problem list"
    return Outcome(None, missing=rule.label, why=why, facts=facts)


def _within(rule: Rule, stage: Stage) -> bool:
    """Say whether every value of a stage lies on the rule's side; all these rules look for low values."""
    return rule.operator in ("<", "<=") and stage.below <= (rule.value or 0)
