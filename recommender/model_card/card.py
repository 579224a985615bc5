"""The card of one model: 31 predictive and 13 evidence-based source attributes, each filled or said to be blank.

What the regulation asks is attributes.csv; what this model answers comes from its manifest, from an evaluation of
the very same model, and from the knowledge tables. A blank is a blank: nothing is made up to fill it.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from recommender.catalog.knowledge import Knowledge
from recommender.errors import KnowledgeError
from recommender.ranker.manifest import Manifest
from recommender.training.evaluation import Evaluation, Row
from recommender.training.fairness import NOT_RECORDED

Kind = Literal["predictive", "evidence-based"]
_INPUTS = {"sex": "sex", "age": "date of birth, as age"}
_ASSESSMENTS = {"phq9_total": "PHQ-9", "gad7_total": "GAD-7"}
_VALIDITY = ("auc_of_oracle", "auc", "ece", "slope", "in_the_large", "over_clinicians", "gain", "coverage")


class Attribute(msgspec.Struct, frozen=True):
    """One source attribute with this model's answer; ``value`` is empty and ``blank`` says so where there is none."""

    id: str
    kind: Kind
    group: str
    name: str
    value: str
    blank: str
    source: str
    date: str


class Card(msgspec.Struct, frozen=True):
    """The whole card: which model and knowledge, and every attribute in the order of the regulation."""

    model: str | None
    knowledge: str
    evaluated: str | None
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    manifest: Manifest | None
    knowledge: Knowledge
    evaluation: Evaluation | None


def card(manifest: Manifest | None, knowledge: Knowledge, evaluation: Evaluation | None) -> Card:
    """Return the card; an evaluation of another model than the manifest's counts as none."""
    own = evaluation if manifest and evaluation and evaluation.model == manifest.version else None
    facts = _Facts(manifest, knowledge, own)
    return Card(
        model=manifest.version if manifest else None,
        knowledge=knowledge.version,
        evaluated=own.created if own else None,
        attributes=tuple(_attribute(row, facts) for row in _rows()),
    )


@cache
def _rows() -> tuple[Mapping[str, str], ...]:
    text = (files("recommender") / "model_card" / "attributes.csv").read_text("utf-8")
    rows = tuple(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:
        if row["filled"] and row["filled"] not in _FILLED:
            raise KnowledgeError(
                "U-KNOWLEDGE-ROW", f"model_card/attributes.csv {row['id']}: nothing fills “{row['filled']}”."
            )
    return rows


def _attribute(row: Mapping[str, str], facts: _Facts) -> Attribute:
    value = _FILLED[row["filled"]](facts) if row["filled"] else row["text"]
    kind: Kind = "predictive" if row["kind"] == "predictive" else "evidence-based"
    blank = "" if value else row["blank"]
    return Attribute(row["id"], kind, row["group"], row["name"], value, blank, row["source"], row["date"])


def _output(facts: _Facts) -> str:
    if facts.manifest is None:
        return ""
    outcomes = ", ".join(name.replace("-", " ") for name in facts.manifest.calibration)
    return (
        f"For each drug considered: the probability of {outcomes}, each with an interval; the change of PHQ-9 by week 8"
        " with bands of 50, 80 and 90 %; and the band in which the drug is tied with others."
    )


def _population(facts: _Facts) -> str:
    if facts.manifest is None:
        return ""
    ranges = ", ".join(f"{_words(name)} {low:g} to {high:g}" for name, (low, high) in facts.manifest.ranges.items())
    return f"Adults with major depression who begin an antidepressant, within what the model has seen: {ranges}."


def _limits(facts: _Facts) -> str:
    return " ".join(facts.manifest.limits) if facts.manifest else ""


def _training(facts: _Facts) -> str:
    if facts.manifest is None:
        return ""
    people = f"{facts.manifest.patients:,} simulated people, {facts.manifest.drugs_per_patient} drugs each"
    return f"{facts.manifest.statement} {people}. No record of a patient was used."


def _inputs(facts: _Facts) -> str:
    if facts.manifest is None:
        return ""
    features = facts.manifest.features
    used = [words for name, words in _INPUTS.items() if name in features]
    scales = [words for name, words in _ASSESSMENTS.items() if name in features]
    return (
        f"Read: {', '.join(used)}; health status: {', '.join(scales)}. Not read: race, ethnicity, language, sexual"
        " orientation, gender identity, social determinants. Which of those read have no effect: see the known limits."
    )


def _bias(facts: _Facts) -> str:
    found = facts.evaluation.row("fair_found") if facts.evaluation else None
    text = "Whole groups of features are masked in training, so that thin records are not read as healthy ones."
    if found is None or found.figure is None:
        return text
    share = shown(found.figure, "share")
    return f"{text} An injected bias of 5 points was found by the audit in {share} of the evaluation's cohorts."


def _validity(facts: _Facts) -> str:
    if facts.evaluation is None:
        return ""
    rows = [row for key in _VALIDITY if (row := facts.evaluation.row(key)) is not None and row.figure is not None]
    measured = [row for row in facts.evaluation.rows if row.met is not None]
    met = sum(row.met is True for row in measured)
    people = f"{len(facts.evaluation.seeds)} cohorts of {facts.evaluation.patients:,} simulated people"
    done = f"{met} of {len(measured)} targets met, on {people} ({facts.evaluation.created})"
    return f"{'; '.join(map(described, rows))}. {done}."


def described(row: Row) -> str:
    """Return a row as words: its label, the figure in its unit, and the interval."""
    if row.figure is None:
        return f"{row.target.label}: not measured"
    unit = row.target.unit
    known = row.low is not None and row.high is not None
    interval = f" ({bare(row.low or 0, unit)} to {bare(row.high or 0, unit)})" if known else ""
    return f"{row.target.label}: {shown(row.figure, unit)}{interval}"


def bare(figure: float, unit: str) -> str:
    """Return a figure as ``shown``, without its unit."""
    return shown(figure, unit).partition(" ")[0]


def shown(figure: float, unit: str) -> str:
    """Return a figure as people read it: shares in percent, differences in points of a hundred."""
    return _plain(figure, unit).replace("-", "−")


def _plain(figure: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * figure:.1f} %"
    if unit == "points":
        return f"{100 * figure:.2f} points"
    if unit in ("ms", "s"):
        return f"{figure:.2f} {unit}"
    if unit == "percent":
        return f"{figure:.0f} %"
    return f"{figure:.3f}" if abs(figure) >= 1e-3 or figure == 0 else f"{figure:.0e}"


def _fairness(facts: _Facts) -> str:
    if facts.evaluation is None:
        return ""
    flags = [f"{gap.dimension} {gap.group} ({gap.measure})" for gap in facts.evaluation.gaps if gap.flagged]
    judged = {(gap.dimension, gap.group) for gap in facts.evaluation.gaps} - {("", NOT_RECORDED)}
    return f"{len(judged)} groups judged against all others. Flagged: {', '.join(flags) or 'none'}."


def _local(facts: _Facts) -> str:
    update = facts.manifest.update if facts.manifest else None
    return f"Updated at {update.site} on {update.rows:,} rows under plan {update.plan}." if update else ""


def _update(facts: _Facts) -> str:
    text = (
        "Under a change plan that is data (knowledge/change_plan.toml): recalibration or fine-tuning on a site's own"
        " records through gates, a new evidence version, a new drug by its attributes; anything else is refused. It has"
        " no fixed interval."
    )
    return f"{text} This one: {facts.manifest.created}." if facts.manifest else text


def _sources(facts: _Facts) -> str:
    return (
        f"{len(facts.knowledge.sources)} sources, named at every rule and dose; “undersign knowledge show DRUG” prints"
        " those of one drug, and each reason on a card names its own."
    )


def _dates(facts: _Facts) -> str:
    released = f"Model of {facts.manifest.created}; knowledge" if facts.manifest else "Knowledge"
    return f"{released} version {facts.knowledge.version}. Every row has the day on which its source was read."


def _words(name: str) -> str:
    return {"phq9_total": "PHQ-9", "gad7_total": "GAD-7"}.get(name, name.replace("_", " "))


_FILLED: Mapping[str, Callable[[_Facts], str]] = {
    "output": _output,
    "population": _population,
    "limits": _limits,
    "training": _training,
    "inputs": _inputs,
    "bias": _bias,
    "validity": _validity,
    "fairness": _fairness,
    "local": _local,
    "update": _update,
    "sources": _sources,
    "dates": _dates,
}
