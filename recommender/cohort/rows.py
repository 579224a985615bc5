"""Reading the rows of ``knowledge/evidence`` into ``Evidence``."""

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import stdev
from typing import NamedTuple, TypeVar

from recommender.cohort.columns import ATTRIBUTES, CORE_OUTCOMES, OUTCOMES, PATIENT_FEATURES, SIDE_EFFECTS
from recommender.cohort.facts import DrugEffect, Evidence, Moderator, PrognosticEffect, Trait, logit
from recommender.errors import KnowledgeError

T = TypeVar("T")
Row = dict[str, str]

FILES = (
    "antidepressant_effects.csv",
    "side_effects.csv",
    "baseline_rates.csv",
    "prognostic_effects.csv",
    "moderators.csv",
    "exposure.csv",
    "drug_attributes.csv",
    "cohort.csv",
    "groups.csv",
    "phenotype_shares.csv",
    "interaction_scales.csv",
    "assumptions.csv",
)
NOT_USED = "not used"  # how the measure of a side effect begins that is on file but not comparable
ANY_DRUG = "*"  # the ingredient of a side effect's pooled SD between trials
LEAST_RATES = 2


class SideEffect(NamedTuple):
    """One row of side_effects.csv that counts; a row for ``ANY_DRUG`` gives only ``tau``."""

    ingredient: str
    effect: str
    log_or: float | None
    se: float
    tau: float | None
    placebo_rate: float | None
    placebo_n: float


def evidence(tables: Mapping[str, bytes]) -> Evidence:
    """Return the evidence of the tables, given by file name; KnowledgeError U-KNOWLEDGE-ROW."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(name.encode() + b"\0" + tables[name] + b"\0")
    effects = _verified("side_effects.csv", tables, _side_effect)
    placebo, spread = _baseline(_verified("baseline_rates.csv", tables, _rate))
    for effect, rates in _side_effect_rates(effects).items():
        placebo[effect] = sum(r * n for r, n in rates) / sum(n for _, n in rates)
        spread[effect] = stdev(logit((r * n + 0.5) / (n + 1)) for r, n in rates)
    core = _verified("antidepressant_effects.csv", tables, _drug_row)
    return Evidence(
        drugs=_drugs([*core, *_pooled([one for one in effects if one.effect in placebo])]),
        prognosis=tuple(_verified("prognostic_effects.csv", tables, _prognostic_row, figure="log_odds")),
        moderators=tuple(_verified("moderators.csv", tables, _moderator, figure="log_odds")),
        exposure=dict(_verified("exposure.csv", tables, _exposure, figure="fold")),
        attributes=dict(_rows("drug_attributes.csv", tables, _attributes)),
        placebo=placebo,
        spread=spread,
        traits=tuple(_rows("cohort.csv", tables, _trait)),
        groups=_shares(_rows("groups.csv", tables, lambda row: (row["audit"], row["group"], float(row["share"])))),
        phenotypes=_shares(
            _rows("phenotype_shares.csv", tables, lambda row: (row["gene"], row["phenotype"], float(row["share"])))
        ),
        interaction_scales=tuple(_rows("interaction_scales.csv", tables, lambda row: float(row["sd_log_odds"]))),
        assumptions=dict(_rows("assumptions.csv", tables, lambda row: (row["key"], float(row["value"])))),
        version=digest.hexdigest(),
    )


def _verified(
    name: str, tables: Mapping[str, bytes], build: Callable[[Row], T | None], *, figure: str | None = None
) -> list[T]:
    """Return the rows that count: verified, and with a figure."""

    def counted(row: Row) -> T | None:
        return build(row) if row["verified"] == "yes" and (figure is None or row[figure]) else None

    return [one for one in _rows(name, tables, counted) if one is not None]


def _rows(name: str, tables: Mapping[str, bytes], build: Callable[[Row], T]) -> list[T]:
    built: list[T] = []
    for line, row in enumerate(csv.DictReader(io.StringIO(tables[name].decode(), newline="")), start=2):
        try:
            built.append(build(row))
        except (KeyError, ValueError, TypeError) as error:
            raise KnowledgeError(
                "U-KNOWLEDGE-ROW", f"evidence/{name} row {line} cannot be read: {error!r}; correct the row."
            ) from error
    return built


def _drug_row(row: Row) -> tuple[str, str, DrugEffect]:
    effect = DrugEffect(float(row["log_or"]), _positive(row["se_log_or"]), _positive(row["tau"]))
    return row["ingredient"], _among(row["outcome"], CORE_OUTCOMES), effect


def _drugs(rows: Iterable[tuple[str, str, DrugEffect]]) -> dict[str, Mapping[str, DrugEffect]]:
    found: dict[str, dict[str, DrugEffect]] = {}
    for ingredient, outcome, effect in rows:
        found.setdefault(ingredient, {})[outcome] = effect
    whole = sorted(name for name, outcomes in found.items() if set(CORE_OUTCOMES) <= outcomes.keys())
    return {name: {o: found[name][o] for o in OUTCOMES if o in found[name]} for name in whole}


def _side_effect(row: Row) -> SideEffect | None:
    effect = _among(row["effect"], SIDE_EFFECTS)
    tau = float(row["tau"]) if row["tau"] else None
    if row["ingredient"] == ANY_DRUG:
        return SideEffect(ANY_DRUG, effect, None, math.nan, tau, None, 0.0)
    if not row["log_or"] or not row["se_log_or"] or row["measure"].startswith(NOT_USED):
        return None
    rated = bool(row["placebo_rate"] and row["placebo_n"])
    rate, n = (float(row["placebo_rate"]), _positive(row["placebo_n"])) if rated else (None, 0.0)
    if rate is not None and not 0 <= rate < 1:
        raise ValueError(row["placebo_rate"])
    return SideEffect(row["ingredient"], effect, float(row["log_or"]), _positive(row["se_log_or"]), tau, rate, n)


def _side_effect_rates(effects: Sequence[SideEffect]) -> dict[str, list[tuple[float, float]]]:
    """Return the placebo rates with their numbers by side effect, where there are enough to know how they differ."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for one in effects:
        if one.placebo_rate is not None:
            rates.setdefault(one.effect, []).append((one.placebo_rate, one.placebo_n))
    return {effect: rates[effect] for effect in SIDE_EFFECTS if len(rates.get(effect, ())) >= LEAST_RATES}


def _pooled(effects: Sequence[SideEffect]) -> list[tuple[str, str, DrugEffect]]:
    """Return one effect for each drug and side effect: sources pooled by inverse variance."""
    between = {one.effect: one.tau for one in effects if one.ingredient == ANY_DRUG and one.tau is not None}
    held: dict[tuple[str, str], list[SideEffect]] = {}
    for one in effects:
        if one.ingredient != ANY_DRUG:
            held.setdefault((one.ingredient, one.effect), []).append(one)
    return [(name, effect, _pool(rows, between.get(effect, 0.0))) for (name, effect), rows in held.items()]


def _pool(rows: Sequence[SideEffect], between: float) -> DrugEffect:
    weights = [1 / one.se**2 for one in rows]
    mean = sum(w * (one.log_or or 0.0) for w, one in zip(weights, rows, strict=True)) / sum(weights)
    tau = max(one.tau if one.tau is not None else between for one in rows)
    return DrugEffect(mean, 1 / math.sqrt(sum(weights)), tau)


def _rate(row: Row) -> tuple[str, str, float]:
    return _among(row["outcome"], CORE_OUTCOMES), row["use"], logit(float(row["rate"]))


def _baseline(rows: Sequence[tuple[str, str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    logits = {
        (o, use): [r[2] for r in rows if r[:2] == (o, use)] for o in CORE_OUTCOMES for use in ("intercept", "spread")
    }
    for outcome in CORE_OUTCOMES:
        if len(logits[outcome, "intercept"]) != 1 or len(logits[outcome, "spread"]) < LEAST_RATES:
            raise KnowledgeError(
                "U-KNOWLEDGE-ROW",
                f"evidence/baseline_rates.csv wants one verified intercept row and at least two spread rows"
                f" for {outcome}.",
            )
    placebo = {o: _expit(logits[o, "intercept"][0]) for o in CORE_OUTCOMES}
    return placebo, {o: stdev(logits[o, "spread"]) for o in CORE_OUTCOMES}


def _prognostic_row(row: Row) -> PrognosticEffect:
    form = row["form"]
    if form != "linear" and form != "range":
        raise ValueError(form)
    return PrognosticEffect(
        _among(row["outcome"], OUTCOMES),
        row["feature"],
        form,
        _number(row["low"], -math.inf),
        _number(row["high"], math.inf),
        _number(row["centre"], 0.0),
        _number(row["scale"], 1.0),
        float(row["log_odds"]),
        _positive(row["prior_sd"]),
        tuple(_among(name, PATIENT_FEATURES) for name in row["seen_as"].split(";") if name),
    )


def _moderator(row: Row) -> Moderator:
    return Moderator(
        _among(row["outcome"], OUTCOMES),
        row["ingredient"],
        row["gene"],
        row["phenotype"],
        float(row["log_odds"]),
        _positive(row["prior_sd"]),
        row["grade"],
    )


def _exposure(row: Row) -> tuple[tuple[str, str, str], float]:
    return (row["ingredient"], row["gene"], row["phenotype"]), _positive(row["fold"])


def _attributes(row: Row) -> tuple[str, dict[str, float]]:
    return row["ingredient"], {name: float(_among(row[name], ("0", "1"))) for name in ATTRIBUTES if row[name]}


def _trait(row: Row) -> Trait:
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


def _shares(rows: Sequence[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, label, share in rows:
        found.setdefault(name, {})[label] = share
    for name, shares in found.items():
        if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6):
            raise KnowledgeError("U-KNOWLEDGE-ROW", f"The evidence shares of {name} do not add up to 1; correct them.")
    return found


def _among(value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(value)
    return value


def _number(text: str, absent: float) -> float:
    return float(text) if text else absent


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError(text)
    return value


def _expit(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
