"""What a site records of its patients: coding of problems, features missing in whole groups, genotyping."""

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.columns import PATIENT_FEATURES
from recommender.cohort.effects import expit
from recommender.cohort.evidence import Array, Evidence, logit, mask_groups
from recommender.cohort.people import PROBLEMS, Integers, People

Flags = NDArray[np.bool_]
_CERTAIN = 40.0  # log-odds at which a probability is 0 or 1


def coded(evidence: Evidence, people: People, site: Integers, rng: np.random.Generator) -> Array:
    """Return the patient features (n, k) as the site codes them: sites leave problems off the list."""
    columns = people.columns()
    share = rng.uniform(evidence.assumptions["coding.low"], 1.0, int(site.max()) + 1)
    kept = rng.random((len(site), len(PROBLEMS))) < share[site][:, None]
    for i, name in enumerate(PROBLEMS):
        columns[:, PATIENT_FEATURES.index(name)] *= kept[:, i]
    return columns


def hidden(
    evidence: Evidence,
    people: People,
    site: Integers,
    rng: np.random.Generator,
    *,
    share: float | None,
    shifted: bool,
) -> tuple[Flags, Flags]:
    """Return what is not on record: cells (n, k) of the patient features, and whose genes (n).

    Groups of features are missing whole, more at some sites and for the less severely ill. ``share`` is the
    expected share of missing cells; None takes the rows' shares as they are, higher at a ``shifted`` site.
    """
    groups = mask_groups(evidence)
    choice = evidence.assumptions
    masked = {t.group: t.masked for t in evidence.traits if t.group} | {"genes": choice["missing.genes"]}
    log_odds = np.array([logit(one) for one in masked.values()]) + choice["missing.shifted"] * shifted
    site_effect = choice["missing.site_sd"] * rng.standard_normal((int(site.max()) + 1, len(masked)))
    severity = choice["missing.severity"] * people.standard("phq9_total", evidence)
    log_odds = log_odds + site_effect[site] + severity[:, None]
    width = np.array([len(groups.get(name, ())) for name in masked])
    if share is not None:
        log_odds += _offset(log_odds, width, share)
    missing = rng.random(log_odds.shape) < expit(log_odds)
    cells = np.zeros((len(site), len(PATIENT_FEATURES)), np.bool_)
    for g, name in enumerate(masked):
        for feature in groups.get(name, ()):
            cells[:, PATIENT_FEATURES.index(feature)] = missing[:, g]
    return cells, missing[:, list(masked).index("genes")]


def _offset(log_odds: Array, width: NDArray[np.intp], share: float) -> float:
    """Return what to add so that the expected share of missing cells is ``share``."""
    low, high = -_CERTAIN, _CERTAIN
    for _ in range(60):
        middle = (low + high) / 2
        under = float(expit(log_odds + middle).mean(axis=0) @ width) < share * len(PATIENT_FEATURES)
        low, high = (middle, high) if under else (low, middle)
    return high if share >= 1 else low if share <= 0 else (low + high) / 2
