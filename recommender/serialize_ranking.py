"""The ranker's part of the assessment's JSON: symptom change, weights, differences, and what would change the order."""

from collections.abc import Mapping
from typing import Any

from recommender.assessment import Prediction
from recommender.ranker.results import Contribution, Difference, Explanation, Sensitivity, SymptomChange, Unmeasured

_PLACES = 6


def predictions(found: Mapping[str, Prediction]) -> dict[str, Any]:
    """Return probabilities with their intervals by outcome."""
    return {o: {"p": rounded(p.p), "low": rounded(p.low), "high": rounded(p.high)} for o, p in found.items()}


def symptom_change(one: SymptomChange) -> dict[str, Any]:
    """Return the change in percent with its bands by coverage in percent."""
    bands = {c: {"low": round(low, 1), "high": round(high, 1)} for c, (low, high) in one.bands.items()}
    return {"percent": round(one.percent, 1), "bands": bands}


def explanation(one: Explanation) -> dict[str, Any]:
    """Return the keys of an assessment that say why the drugs stand in their order; what is empty is left out."""
    weights = {"origin": one.weights.origin, "weights": dict(one.weights.values), "reference": one.weights.reference}
    found = {
        "preferences": {name: value for name, value in weights.items() if value is not None},
        "differences": [_difference(each) for each in one.differences],
        "sensitivity": [_sensitivity(each) for each in one.sensitivity],
        "unmeasured": [_unmeasured(each) for each in one.unmeasured],
        "statement": one.statement,
    }
    return {name: value for name, value in found.items() if value}


def rounded(value: float | None) -> float | None:
    """Return a number to the places that JSON shows, None as it is."""
    return None if value is None else round(value, _PLACES)


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "outcome": one.outcome,
        "first": one.first,
        "second": one.second,
        "log_odds": rounded(one.log_odds),
        "points": rounded(one.points),
        "contributions": [_contribution(each) for each in one.contributions],
        "message": one.message,
    }


def _contribution(one: Contribution) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "log_odds": rounded(one.log_odds),
        "points": rounded(one.points),
        "message": one.message,
        "facts": list(one.facts),
    }


def _sensitivity(one: Sensitivity) -> dict[str, Any]:
    return {
        "outcome": one.outcome,
        "matters": one.matters,
        "weight": rounded(one.weight),
        "changes_at": rounded(one.changes_at),
        "enter": list(one.enter),
        "leave": list(one.leave),
        "message": one.message,
    }


def _unmeasured(one: Unmeasured) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "value": one.value,
        "enter": list(one.enter),
        "leave": list(one.leave),
        "message": one.message,
    }
