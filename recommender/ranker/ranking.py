"""Utility from the patient's weights, and bands of drugs that are as good as tied.

The defaults and the width of a band are this project's choice (knowledge/preferences.csv), not a finding. How often a
drug does something that no evidence row tells is not zero: weighed, it counts as the worst of the drugs compared.
"""

import math
from collections.abc import Mapping, Sequence

from fhir_adapters.errors import InputError
from recommender.assessment import Prediction
from recommender.cohort.evidence import OUTCOMES
from recommender.ranker.weights import BAND_WIDTH, DEFAULT_WEIGHTS

WIDTH = BAND_WIDTH + 1e-12  # what rounding adds parts no two drugs

Predictions = Mapping[str, Mapping[str, Prediction]]


def rank(predictions: Predictions, weights: Mapping[str, float]) -> Mapping[str, tuple[float, int]]:
    """Return utility and band for each drug, best first, ties by name; errors as ``utilities``."""
    found = utilities(predictions, weights)
    return {drug: (found[drug], band) for drug, band in bands(found).items()}


def utilities(predictions: Predictions, weights: Mapping[str, float]) -> dict[str, float]:
    """Return by drug the sum of weight × probability.

    InputError U-PREFERENCES-KEY for a weight on an outcome that is not predicted, U-PREFERENCES-VALUE for one that
    is not a finite number.
    """
    check(weights)
    weighed = {name: weight for name, weight in weights.items() if weight}
    worst = {name: worst_known(predictions, name, weight) for name, weight in weighed.items()}
    return {
        drug: math.fsum(weight * _known(outcomes, name, worst) for name, weight in weighed.items())
        for drug, outcomes in predictions.items()
    }


def bands(found: Mapping[str, float]) -> dict[str, int]:
    """Return the band of each drug by its utility, best first, ties by name.

    Band 1 holds the best drug and all within ``BAND_WIDTH`` of it; the next drug opens band 2, and so on.
    """
    ranked: dict[str, int] = {}
    band, best = 0, math.inf
    for drug in sorted(found, key=lambda name: (-found[name], name)):
        if best - found[drug] > WIDTH:
            band, best = band + 1, found[drug]
        ranked[drug] = band
    return ranked


def not_known(outcomes: Mapping[str, Prediction]) -> tuple[str, ...]:
    """Return the outcomes that are not predicted for a drug, because no evidence row tells them."""
    return tuple(name for name in OUTCOMES if name not in outcomes)


def worst_known(predictions: Predictions, outcome: str, weight: float) -> float:
    """Return the worst probability of an outcome among the drugs that have one; 0 for all where none has one."""
    known = [outcomes[outcome].p for outcomes in predictions.values() if outcome in outcomes]
    return (min if weight > 0 else max)(known, default=0.0)


def _known(outcomes: Mapping[str, Prediction], name: str, worst: Mapping[str, float]) -> float:
    return outcomes[name].p if name in outcomes else worst[name]


def check(
    weights: Mapping[str, float], known: Sequence[str] = tuple(dict.fromkeys((*OUTCOMES, *DEFAULT_WEIGHTS)))
) -> None:
    """Refuse weights that cannot be used; errors as ``utilities``."""
    for name, weight in weights.items():
        if name not in known:
            raise InputError(
                "U-PREFERENCES-KEY", f"No outcome “{name}” is predicted; weigh any of: {', '.join(known)}."
            )
        if not math.isfinite(weight):
            raise InputError("U-PREFERENCES-VALUE", f"The weight of “{name}” must be a finite number.")
