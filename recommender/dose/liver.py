"""Child-Pugh class of a patient with liver disease, as an interval: what is not known may be the best or the worst.

A class holds only when the least and the most points agree on it; a finding that nobody recorded (ascites,
encephalopathy) counts as not assessed, not as absent.
"""

from dataclasses import dataclass

from fhir_adapters.canonical import Diagnosis
from recommender.catalog.rows import Rule
from recommender.dose.dose_rows import LabRange
from recommender.dose.dose_tables import without_dots
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety.chart import Chart

_UNSEEN = (1, 3)
_PRESENT = (2, 3)


@dataclass(frozen=True, slots=True)
class Points:
    """The points that are possible, what they rest on in words, what was missing, and the resources behind them."""

    low: int
    high: int
    found: tuple[str, ...]
    missing: tuple[str, ...]
    facts: tuple[str, ...]


def answer(rule: Rule, chart: Chart, disease: Diagnosis) -> Outcome:
    """Return whether the class that ``rule`` looks for holds; ``disease`` is the liver disease on the problem list."""
    table = chart.knowledge.doses.child_pugh
    wanted = table.triggers[rule.trigger]
    points = score(chart)
    possible = {name for name, (low, high) in table.classes.items() if low <= points.high and points.low <= high}
    facts = tuple(dict.fromkeys((disease.source.reference, *points.facts)))
    if possible.isdisjoint(wanted):
        return FALSE
    if possible <= wanted:
        span = f"{points.low}" if points.low == points.high else f"{points.low} to {points.high}"
        words = f"{rule.label}, {span} points: {', '.join(points.found)} with “{disease.text}”"
        return Outcome(True, words, facts=facts)
    why = f"cannot be graded ({', '.join(points.missing)} not on file, with “{disease.text}” on the problem list)"
    return Outcome(None, missing="Child-Pugh class", why=why, facts=facts)


def score(chart: Chart) -> Points:
    """Return the least and the most Child-Pugh points that the chart allows."""
    table = chart.knowledge.doses.child_pugh
    low = high = 0
    found: list[str] = []
    missing: list[str] = []
    facts: list[str] = []
    for lab in table.labs:
        value, feature = chart.features.number(lab.feature), chart.features.features[lab.feature]
        name = lab.feature.removesuffix("_total")
        points = _UNSEEN if value is None else _points(lab, value)
        low, high = low + points[0], high + points[1]
        (missing if value is None else found).append(name if value is None else f"{name} {value:g}")
        facts += [feature.source.reference] if value is not None and feature.source else []
    for name, codes in table.findings.items():
        listed = (one for one in chart.patient.diagnoses if one.active and one.code)
        seen = next((one for one in listed if without_dots(one.code or "") in codes), None)
        points = _UNSEEN if seen is None else _PRESENT
        low, high = low + points[0], high + points[1]
        (missing if seen is None else found).append(name)
        facts += [] if seen is None else [seen.source.reference]
    return Points(low, high, tuple(found), tuple(missing), tuple(facts))


def _points(lab: LabRange, value: float) -> tuple[int, int]:
    points = lab.below if value < lab.low else lab.above if value > lab.high else 2
    return points, points
