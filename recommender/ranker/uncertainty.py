"""Intervals around a prediction, from the evidence rows alone.

On the logit, the 80 % interval is ± 1.2816 × sqrt(se² + tau² + base²):

- ``se``: standard error of the drug's log-odds ratio (antidepressant_effects.csv),
- ``tau``: SD between trials of that ratio (same rows): how much a site may differ in the drug's effect,
- ``base``: SD of the logit of the outcome's rate between published cohorts on an antidepressant
  (baseline_rates.csv, ``spread`` rows): how much a site may differ in how people fare at all.

It is an interval for the rate among patients like this one, not for what one patient will do, and it leaves
out the error of the prognostic effects. ``base`` shifts all drugs together, so two overlapping intervals do
not make two drugs equal; bands say which drugs are as good as tied.
"""

import math

from recommender.assessment import Prediction
from recommender.cohort.evidence import DrugEffect, logit

COVERAGE = 0.80
Z = 1.2816  # standard normal quantile of (1 + COVERAGE) / 2


def interval(p: float, effect: DrugEffect, base: float) -> Prediction:
    """Return ``p`` (strictly between 0 and 1) with its 80 % interval; ``base`` is an SD on the logit."""
    half = Z * math.sqrt(effect.se**2 + effect.tau**2 + base**2)
    centre = logit(p)
    return Prediction(p, _expit(centre - half), _expit(centre + half))


def _expit(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
