"""What happens on the drug that was given: outcomes, the PHQ-9 over eight weeks, and what of it is on record.

Who stops for an adverse event does not remit or respond; the marginal rates stay those of the evidence. Side
effects happen each by itself: no verified figure says how they go together, or how they lead to stopping.
"""

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.columns import OUTCOMES, SIDE_EFFECTS
from recommender.cohort.effects import expit
from recommender.cohort.evidence import Array, Evidence
from recommender.cohort.people import Integers, People

WEEKS = (0, 2, 4, 6, 8)
REMITTED_BELOW = 5  # PHQ-9
HIGHEST = 27
_REMISSION, _RESPONSE, _STOPPING, _ADVERSE = (OUTCOMES.index(o) for o in OUTCOMES[:4])
Flags = NDArray[np.bool_]


def realised(probability: Array, rng: np.random.Generator) -> Array:
    """Return what happened (n, o) as 0 or 1 from the probabilities on the drug given (n, o); NaN stays NaN."""
    chance = rng.random((len(probability), 2))
    happened = np.zeros_like(probability)
    adverse = chance[:, 0] < probability[:, _ADVERSE]
    happened[:, _ADVERSE] = adverse
    happened[:, _STOPPING] = chance[:, 0] < probability[:, _STOPPING]
    for outcome in (_REMISSION, _RESPONSE):
        among_others = probability[:, outcome] / (1 - probability[:, _ADVERSE])
        happened[:, outcome] = ~adverse & (chance[:, 1] < among_others)
    for effect in SIDE_EFFECTS:
        o = OUTCOMES.index(effect)
        happened[:, o] = rng.random(len(probability)) < probability[:, o]
    happened[np.isnan(probability)] = np.nan
    return happened


def trajectories(baseline: Array, outcome: Array, rng: np.random.Generator) -> Array:
    """Return the PHQ-9 (n, weeks) that goes with the outcomes: below 5 in remission, halved in response."""
    half = np.floor(baseline / 2)
    remitted, responded = outcome[:, _REMISSION] == 1, outcome[:, _RESPONSE] == 1
    low = np.where(remitted, 0, np.where(responded, REMITTED_BELOW, half + 1))
    high = np.where(remitted, REMITTED_BELOW - 1, np.where(responded, half, np.minimum(HIGHEST, baseline + 3)))
    end = low + np.floor(rng.random(len(baseline)) * (high - low + 1))
    way = 1 - np.exp(-np.array(WEEKS) / rng.uniform(1.5, 5.0, len(baseline))[:, None])
    course = baseline[:, None] + (end - baseline)[:, None] * way / way[:, -1:]
    course[:, 1:-1] += rng.normal(0, 1.5, (len(baseline), len(WEEKS) - 2))
    return np.clip(np.round(course), 0, HIGHEST)


def observed(evidence: Evidence, people: People, outcome: Array, site: Integers, rng: np.random.Generator) -> Flags:
    """Return whose outcome at week 8 is on record (n): fewer of those who stopped, more of those who responded."""
    choice = evidence.assumptions
    base = choice["observed.base"] + choice["observed.site_sd"] * rng.standard_normal(int(site.max()) + 1)
    log_odds = base[site] + choice["observed.severity"] * people.standard("phq9_total", evidence)
    log_odds += choice["observed.stopped"] * outcome[:, _STOPPING] + choice["observed.response"] * outcome[:, _RESPONSE]
    return rng.random(len(site)) < expit(log_odds)


def recorded(course: Array, seen: Flags, evidence: Evidence, rng: np.random.Generator) -> Array:
    """Return the trajectory with NaN where no PHQ-9 was taken; who is not seen at week 8 is not at week 6 either."""
    taken = rng.random(course.shape) < evidence.assumptions["visit.recorded"]
    taken[:, 0], taken[:, -1] = True, seen
    taken[:, -2] &= seen
    return np.where(taken, course, np.nan)
