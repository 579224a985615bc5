"""Who is held out, and what each row weighs: for outcomes that were not seen, and for who was given what."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array
from recommender.training.policy_value import fitted_observation, fitted_propensity
from recommender.training.site.plan import Protocol
from recommender.training.site.rows import SiteRows

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """Masks (n,): ``fit`` and ``stop`` are what is learned from, ``held`` is what is judged on."""

    fit: Mask
    stop: Mask
    held: Mask


def split(rows: SiteRows, site: str, protocol: Protocol) -> Split:
    """Return who is in which part: by a hash of site and patient, so that it is the same at every update."""
    place = np.array([_place(site, patient) for patient in rows.patients])
    held = place < protocol.holdout
    stop = ~held & (place < protocol.holdout + (1 - protocol.holdout) * protocol.stopping_share)
    return Split(~held & ~stop, stop, held)


def _place(site: str, patient: str) -> float:
    digest = hashlib.sha256(f"{site}\0{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class Weights:
    """What a row (n,) weighs in fitting and judging one outcome; 0 where the outcome was not seen.

    ``seen``: over the probability of being observed (``chance``, 0 where it was not). ``compared``: besides over how
    likely the drug was for such a patient (``propensity``), against how likely it is at the site; 0 where that is
    below the protocol's overlap (``trimmed``).
    """

    chance: Array
    propensity: Array
    seen: Array
    compared: Array
    trimmed: Mask


def held_weights(weights: Weights, kept: Mask) -> Weights:
    """Return the weights of the rows that a mask keeps."""
    return Weights(
        chance=weights.chance[kept],
        propensity=weights.propensity[kept],
        seen=weights.seen[kept],
        compared=weights.compared[kept],
        trimmed=weights.trimmed[kept],
    )


def propensity(rows: SiteRows) -> Array:
    """Return how likely each patient (n,) was to be given the drug that was given."""
    everyone = np.arange(len(rows))
    return fitted_propensity(rows.features, rows.given, rows.terms.shape[1])[everyone, rows.given]


def weights(rows: SiteRows, outcome: Array, likely: Array, protocol: Protocol) -> Weights:
    """Return the weights for one outcome (n,), NaN where not seen; ``likely`` as ``propensity`` returns it."""
    observed = ~np.isnan(outcome)
    chance = fitted_observation(np.hstack([rows.features, rows.terms[np.arange(len(rows)), rows.given]]), observed)
    seen = np.where(observed, 1 / np.maximum(chance, protocol.least_observed), 0.0)
    share = np.bincount(rows.given, minlength=rows.terms.shape[1])[rows.given] / len(rows)
    trimmed = likely < np.minimum(protocol.least_propensity, share / 4)
    compared = np.where(trimmed, 0.0, seen * share / likely)
    return Weights(
        chance, likely, _bounded(seen, observed, protocol), _bounded(compared, observed & ~trimmed, protocol), trimmed
    )


def _bounded(weight: Array, counted: Mask, protocol: Protocol) -> Array:
    """Return weights of mean 1 among those counted, none above the largest."""
    if not counted.any():
        return weight
    scaled = weight / weight[counted].mean()
    return np.minimum(scaled, protocol.largest_weight)
