"""Utility from the patient's weights, and bands of drugs that are as good as tied.

The defaults and the width of a band are this project's choice (knowledge/preferences.csv), not a finding.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from fhir_adapters.errors import InputError
from recommender.assessment import Prediction
from recommender.ranker import policy

_PREFIX = "weight."
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {key.removeprefix(_PREFIX): value for key, value in policy.load().items() if key.startswith(_PREFIX)}
)
BAND_WIDTH = policy.load()["band.width"]
_ROUNDING = 1e-12


def rank(
    predictions: Mapping[str, Mapping[str, Prediction]], weights: Mapping[str, float]
) -> Mapping[str, tuple[float, int]]:
    """Return utility (sum of weight × probability) and band for each drug, best first, ties by name.

    Band 1 holds the best drug and all within ``BAND_WIDTH`` of it; the next drug opens band 2, and so on.
    InputError U-PREFERENCES-KEY for a weight on an outcome that is not predicted, U-PREFERENCES-VALUE for
    one that is not a finite number.
    """
    utilities = {drug: _utility(outcomes, weights) for drug, outcomes in predictions.items()}
    ranked: dict[str, tuple[float, int]] = {}
    band, best = 0, math.inf
    for drug in sorted(utilities, key=lambda name: (-utilities[name], name)):
        if best - utilities[drug] > BAND_WIDTH + _ROUNDING:
            band, best = band + 1, utilities[drug]
        ranked[drug] = (utilities[drug], band)
    return ranked


def _utility(outcomes: Mapping[str, Prediction], weights: Mapping[str, float]) -> float:
    for name, weight in weights.items():
        if name not in outcomes:
            raise InputError(
                "U-PREFERENCES-KEY", f"No outcome “{name}” is predicted; weigh any of: {', '.join(outcomes)}."
            )
        if not math.isfinite(weight):
            raise InputError("U-PREFERENCES-VALUE", f"The weight of “{name}” must be a finite number.")
    return math.fsum(weight * outcomes[name].p for name, weight in weights.items())
