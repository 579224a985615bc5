"""What the gates read: one outcome of a changed model against the present one, on patients held out."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recommender.cohort.evidence import Array
from recommender.training import fairness, figures
from recommender.training.site.fine_tune import log_loss
from recommender.training.site.plan import Protocol
from recommender.training.site.rows import Integers, Labels, SiteRows
from recommender.training.site.samples import Mask, Weights

_HARMFUL = frozenset({"stopping"})  # outcomes of which less is better
_LEAST_GROUP = 50


@dataclass(frozen=True, slots=True)
class Scores:
    """One model's log-odds of one outcome for ``n`` patients: of the drug given (n,), and of every drug (n, d)."""

    given: Array
    every: Array


@dataclass(frozen=True, slots=True)
class Held:
    """The held-out rows of one outcome (n,), NaN where not seen, with their weights."""

    rows: SiteRows
    outcome: Array
    weights: Weights
    name: str

    @property
    def seen(self) -> Mask:
        """Return whose outcome is known."""
        return ~np.isnan(self.outcome)


def measured(held: Held, new: Scores, present: Scores, protocol: Protocol) -> dict[str, float]:
    """Return every measure that the rows give, by the names that gates use; what cannot be had is not there."""
    seen = held.seen
    outcome, weight = held.outcome[seen], held.weights.seen[seen]
    known = {"outcomes": float(seen.sum()), "smaller_class": float(min(outcome.sum(), (1 - outcome).sum()))}
    if known["smaller_class"] < 2:
        return known
    after, before = _probability(new.given[seen]), _probability(present.given[seen])
    gain = log_loss(present.given[seen], outcome) - log_loss(new.given[seen], outcome)
    mean, error = _weighted(gain, weight)
    audit = fairness.audit(after, outcome, {name: labels[seen] for name, labels in held.rows.groups.items()})
    known |= {
        "auc": figures.auc(after, outcome),
        "log_loss_gain": mean,
        "log_loss_gain_low": mean - _z(protocol) * error,
        "ece_change": figures.ece(after, outcome) - figures.ece(before, outcome),
        "fairness_flags": float(len(audit.flags)),
        "groups_judged": float(len(audit.groups)),
        "group_harm_low": _group_harm(held.rows, seen, -gain, weight),
        "trimmed": float(held.weights.trimmed.mean()),
    }
    return known | _policy(held, new, present, protocol)


def log_loss_gain_low(held: Held, new: Scores, other: Scores, protocol: Protocol) -> float:
    """Return the lower bound of how much better the log loss of ``new`` is than that of ``other``."""
    seen = held.seen
    gain = log_loss(other.given[seen], held.outcome[seen]) - log_loss(new.given[seen], held.outcome[seen])
    mean, error = _weighted(gain, held.weights.seen[seen])
    return mean - _z(protocol) * error


def _probability(log_odds: Array) -> Array:
    return 1 / (1 + np.exp(-log_odds))


def _z(protocol: Protocol) -> float:
    return NormalDist().inv_cdf(protocol.confidence)


def _weighted(values: Array, weight: Array) -> tuple[float, float]:
    """Return the weighted mean with its standard error."""
    mean = float(np.average(values, weights=weight))
    return mean, float(np.sqrt(((weight * (values - mean)) ** 2).sum()) / weight.sum())


def _group_harm(rows: SiteRows, seen: Mask, loss: Array, weight: Array) -> float:
    """Return the largest loss of a group that is beyond chance, over all groups together (Bonferroni)."""
    groups = list(_groups({name: labels[seen] for name, labels in rows.groups.items()}))
    if not groups:
        return -math.inf
    z = NormalDist().inv_cdf(1 - 0.05 / len(groups))
    found = [_weighted(loss[inside], weight[inside]) for inside in groups]
    return max(mean - z * error for mean, error in found)


def _groups(groups: Mapping[str, Labels]) -> Iterator[Mask]:
    for labels in groups.values():
        for label in np.unique(labels):
            inside = labels == label
            if inside.sum() >= _LEAST_GROUP:
                yield inside


def _policy(held: Held, new: Scores, present: Scores, protocol: Protocol) -> dict[str, float]:
    """Return what choosing by the new scores is worth more than by the present ones, among the site's own drugs."""
    rows, weights = held.rows, held.weights
    count = np.bincount(rows.given, minlength=rows.terms.shape[1])
    offered = np.flatnonzero(count >= protocol.least_given * protocol.holdout)
    if len(offered) < 2:
        return {}
    sign = -1.0 if held.name in _HARMFUL else 1.0
    after, before = (offered[np.argmax(sign * one.every[:, offered], axis=1)] for one in (new, present))
    good = np.where(held.seen, held.outcome if sign > 0 else 1 - held.outcome, 0.0)
    chance = _probability(sign * present.every)
    least = protocol.least_propensity
    gain = _difference(chance, (after, before), rows.given, good, weights, least)
    error = float(gain.std(ddof=1) / math.sqrt(len(gain)))
    mean = float(gain.mean())
    return {
        "policy_gain": mean,
        "policy_gain_low": mean - NormalDist().inv_cdf(protocol.policy_confidence) * error,
        "effective": _effective((after, before), rows.given, weights, least),
    }


def _difference(
    chance: Array, choices: tuple[Integers, Integers], given: Integers, good: Array, weights: Weights, least: float
) -> Array:
    """Return each patient's part (n,) in the doubly robust difference of two choices, by one outcome model.

    As ``policy_value.doubly_robust`` for each choice; the parts of one patient are taken together, so that what both
    choose alike is no noise.
    """
    everyone, (after, before) = np.arange(len(given)), choices
    rest = np.where(weights.chance > 0, good - chance[everyone, given], 0.0)
    told = _matched(choices, given) * _inverse(weights, least) * rest
    return chance[everyone, after] - chance[everyone, before] + told


def _matched(choices: tuple[Integers, Integers], given: Integers) -> Array:
    """Return 1 where only the first choice was given, -1 where only the second was, else 0."""
    return (choices[0] == given).astype(np.float64) - (choices[1] == given)


def _inverse(weights: Weights, least: float) -> Array:
    found = 1 / (np.maximum(weights.propensity, least) * np.maximum(weights.chance, least))
    return np.where(weights.chance > 0, found, 0.0)


def _effective(choices: tuple[Integers, Integers], given: Integers, weights: Weights, least: float) -> float:
    """Return how many equally weighted patients tell as much of the difference (Kish)."""
    weight = np.abs(_matched(choices, given)) * _inverse(weights, least)
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0
