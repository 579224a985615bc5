"""The evidence behind the model: rows of ``knowledge/evidence``, and draws of what the rows leave open.

A row that is not verified, or has no figure, has no effect. Log-odds are natural; ``tau`` is the SD between
trials on that scale. Outcomes are always in the order of ``OUTCOMES``.
"""

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import stdev
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.errors import KnowledgeError

Array = NDArray[np.float64]
T = TypeVar("T")

OUTCOMES = ("remission", "response", "stopping", "adverse-event-stopping")
PATIENT_FEATURES = (
    "age",
    "sex",
    "phq9_total",
    "gad7_total",
    "anxiety_disorder",
    "chronic_depression",
    "substance_use",
    "antidepressant_trials",
    "bmi",
)
DRUG_TERMS = tuple(f"log_or_{outcome.replace('-', '_')}" for outcome in OUTCOMES)
MODEL_FEATURES = (*PATIENT_FEATURES, *DRUG_TERMS)

_FILES = (
    "antidepressant_effects.csv",
    "baseline_rates.csv",
    "prognostic_effects.csv",
    "cohort.csv",
    "interaction_scales.csv",
)


@dataclass(frozen=True, slots=True)
class DrugEffect:
    """One drug against placebo on one outcome: log-odds, its standard error, and the SD between trials."""

    log_or: float
    se: float
    tau: float


@dataclass(frozen=True, slots=True)
class PrognosticEffect:
    """How one trait moves the log-odds of one outcome whatever the drug.

    ``linear``: ``log_odds`` for each ``scale`` above ``centre``. ``range``: ``log_odds`` from ``low`` to
    ``high``, both included. ``seen_as`` are the model's features that show the trait.
    """

    outcome: str
    feature: str
    form: Literal["linear", "range"]
    low: float
    high: float
    centre: float
    scale: float
    log_odds: float
    prior_sd: float
    seen_as: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trait:
    """How one trait is spread over the cohort. ``group`` is masked whole, in the share ``masked``."""

    name: str
    kind: Literal["flag", "count", "normal", "uniform"]
    mean: float
    mean_if_anxious: float | None
    sd: float
    low: float
    high: float
    group: str
    masked: float
    shifted_mean: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence rows that count, and ``version``, the SHA-256 over every byte of the files.

    ``drugs`` holds an ingredient only when all outcomes are verified. ``placebo`` and ``spread`` are by
    outcome: the placebo rate of the trials, and the SD on the logit of the rate between published cohorts.
    """

    drugs: Mapping[str, Mapping[str, DrugEffect]]
    prognosis: tuple[PrognosticEffect, ...]
    placebo: Mapping[str, float]
    spread: Mapping[str, float]
    traits: tuple[Trait, ...]
    interaction_scales: tuple[float, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Draws:
    """What could be true at each of ``s`` sites, for ``d`` drugs (sorted by name) and ``o`` outcomes.

    ``estimate`` (s, d, o) is what a repeated network meta-analysis would report, ``truth`` (s, d, o) what
    holds at the site, ``coefficients`` (s, k) the prognostic effects, ``interaction_sd`` (s) the SD of
    patient-by-drug differences.
    """

    estimate: Array
    truth: Array
    coefficients: Array
    interaction_sd: Array


@cache
def load() -> Evidence:
    """Read and check the shipped evidence; KnowledgeError U-KNOWLEDGE-ROW names the file and line."""
    folder = files("recommender") / "knowledge" / "evidence"
    return parse({name: (folder / name).read_bytes() for name in _FILES})


def parse(tables: Mapping[str, bytes]) -> Evidence:
    """Return the evidence of the tables, given by file name."""
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update(name.encode() + b"\0" + tables[name] + b"\0")
    placebo, spread = _baseline(_rows("baseline_rates.csv", tables, _rate))
    return Evidence(
        drugs=_drugs(_rows("antidepressant_effects.csv", tables, _drug_row)),
        prognosis=tuple(p for p in _rows("prognostic_effects.csv", tables, _prognostic_row) if p is not None),
        placebo=placebo,
        spread=spread,
        traits=tuple(_rows("cohort.csv", tables, _trait)),
        interaction_scales=tuple(_rows("interaction_scales.csv", tables, lambda row: float(row["sd_log_odds"]))),
        version=digest.hexdigest(),
    )


def _rows(name: str, tables: Mapping[str, bytes], build: Callable[[dict[str, str]], T]) -> list[T]:
    built: list[T] = []
    for line, row in enumerate(csv.DictReader(io.StringIO(tables[name].decode(), newline="")), start=2):
        try:
            built.append(build(row))
        except (KeyError, ValueError, TypeError) as error:
            raise KnowledgeError(
                "U-KNOWLEDGE-ROW", f"evidence/{name} row {line} cannot be read: {error!r}; correct the row."
            ) from error
    return built


def _verified(row: Mapping[str, str]) -> bool:
    return row["verified"] == "yes"


def _drug_row(row: Mapping[str, str]) -> tuple[str, str, DrugEffect | None]:
    effect = DrugEffect(float(row["log_or"]), _positive(row["se_log_or"]), _positive(row["tau"]))
    return row["ingredient"], _outcome(row), effect if _verified(row) else None


def _drugs(rows: Iterable[tuple[str, str, DrugEffect | None]]) -> dict[str, Mapping[str, DrugEffect]]:
    found: dict[str, dict[str, DrugEffect]] = {}
    for ingredient, outcome, effect in rows:
        if effect is not None:
            found.setdefault(ingredient, {})[outcome] = effect
    return {name: found[name] for name in sorted(found) if len(found[name]) == len(OUTCOMES)}


def _rate(row: Mapping[str, str]) -> tuple[str, str, float] | None:
    return (_outcome(row), row["use"], logit(float(row["rate"]))) if _verified(row) else None


def _baseline(rows: Iterable[tuple[str, str, float] | None]) -> tuple[dict[str, float], dict[str, float]]:
    logits = {
        (o, use): [r[2] for r in rows if r and r[:2] == (o, use)] for o in OUTCOMES for use in ("intercept", "spread")
    }
    for outcome in OUTCOMES:
        if len(logits[outcome, "intercept"]) != 1 or len(logits[outcome, "spread"]) < 2:
            raise KnowledgeError(
                "U-KNOWLEDGE-ROW",
                f"evidence/baseline_rates.csv wants one verified intercept row and at least two spread rows"
                f" for {outcome}.",
            )
    placebo = {o: 1 / (1 + math.exp(-logits[o, "intercept"][0])) for o in OUTCOMES}
    return placebo, {o: stdev(logits[o, "spread"]) for o in OUTCOMES}


def _prognostic_row(row: Mapping[str, str]) -> PrognosticEffect | None:
    if not _verified(row) or not row["log_odds"]:
        return None
    form = row["form"]
    if form != "linear" and form != "range":
        raise ValueError(form)
    seen_as = tuple(row["seen_as"].split(";"))
    if unknown := set(seen_as) - set(PATIENT_FEATURES):
        raise ValueError(unknown)
    return PrognosticEffect(
        _outcome(row),
        row["feature"],
        form,
        _number(row["low"], -math.inf),
        _number(row["high"], math.inf),
        _number(row["centre"], 0.0),
        _number(row["scale"], 1.0),
        float(row["log_odds"]),
        _positive(row["prior_sd"]),
        seen_as,
    )


def _trait(row: Mapping[str, str]) -> Trait:
    kind = row["kind"]
    if kind not in ("flag", "count", "normal", "uniform"):
        raise ValueError(kind)
    mean = _number(row["mean"], math.nan)
    return Trait(
        row["name"],
        kind,
        mean,
        float(row["mean_if_anxious"]) if row["mean_if_anxious"] else None,
        _number(row["sd"], math.nan),
        float(row["low"]),
        float(row["high"]),
        row["group"],
        _number(row["masked"], 0.0),
        _number(row["shifted_mean"], mean),
    )


def _outcome(row: Mapping[str, str]) -> str:
    if row["outcome"] not in OUTCOMES:
        raise ValueError(row["outcome"])
    return row["outcome"]


def _number(text: str, absent: float) -> float:
    return float(text) if text else absent


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError(text)
    return value


def logit(probability: float) -> float:
    """Return the log-odds of a probability strictly between 0 and 1."""
    return math.log(probability / (1 - probability))


def point_estimates(evidence: Evidence) -> Array:
    """Return the network estimates (d, o), drugs in the order of ``evidence.drugs``."""
    return _by_drug(evidence, lambda effect: effect.log_or)


def _by_drug(evidence: Evidence, part: Callable[[DrugEffect], float]) -> Array:
    return np.array([[part(effects[o]) for o in OUTCOMES] for effects in evidence.drugs.values()], np.float64)


def draw(evidence: Evidence, sites: int, rng: np.random.Generator) -> Draws:
    """Draw what could be true at ``sites`` sites.

    Draws come in pairs of opposite sign, so that chance does not favour a drug over the whole cohort.
    """
    known, se, tau = (
        point_estimates(evidence),
        _by_drug(evidence, lambda e: e.se),
        _by_drug(evidence, lambda e: e.tau),
    )
    estimate = known + se * _paired(rng, sites, known.shape)
    truth = estimate + np.hypot(se, tau) * _paired(rng, sites, known.shape)
    mean = np.array([p.log_odds for p in evidence.prognosis])
    prior_sd = np.array([p.prior_sd for p in evidence.prognosis])
    coefficients = mean + prior_sd * _paired(rng, sites, mean.shape)
    return Draws(estimate, truth, coefficients, rng.choice(np.array(evidence.interaction_scales), size=sites))


def _paired(rng: np.random.Generator, sites: int, shape: tuple[int, ...]) -> Array:
    half = rng.standard_normal(((sites + 1) // 2, *shape))
    return np.concatenate([half, -half])[:sites]
