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
from collections.abc import Mapping

import numpy as np

from recommender.cohort.evidence import OUTCOMES, Array, DrugEffect, Evidence

COVERAGE = 0.80
Z = 1.2816  # standard normal quantile of (1 + COVERAGE) / 2


def half_width(effect: DrugEffect, base: float) -> float:
    """Return half the width of the 80 % interval on the logit; ``base`` is an SD on the logit."""
    return Z * math.sqrt(effect.se**2 + effect.tau**2 + base**2)


def half_widths(evidence: Evidence) -> Mapping[str, Array]:
    """Return by drug half the width of each outcome's interval (OUTCOMES), NaN where the drug has no figure."""
    return {
        name: np.array([half_width(found[o], evidence.spread[o]) if o in found else np.nan for o in OUTCOMES])
        for name, found in evidence.drugs.items()
    }


def intervals(p: Array, half: Array) -> tuple[Array, Array]:
    """Return both ends of the 80 % intervals around ``p``, strictly between 0 and 1, of one shape with ``half``."""
    centre = np.log(p / (1 - p))
    return 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
