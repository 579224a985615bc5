"""Site rows that nothing may be learned from: refused before any fitting, with what to do."""

import numpy as np

from recommender.cohort.evidence import OUTCOMES, PATIENT_FEATURES, Array
from recommender.errors import ModelError
from recommender.ranker.model import Model
from recommender.training.figures import Z95, auc, auc_error
from recommender.training.site.plan import Protocol
from recommender.training.site.rows import SiteRows

ANCHOR = "remission"  # without it nothing is updated


def check(rows: SiteRows, prior: Model, protocol: Protocol) -> None:
    """Pass rows that an update may be made from.

    ModelError U-SITE-SCHEMA (made by another feature schema or other evidence), U-SITE-DUPLICATE (a patient twice),
    U-SITE-FEW (too few remission outcomes), U-SITE-CLASS (too few with, or without, remission), U-SITE-LEAK (a
    column tells the outcome).
    """
    if (rows.schema, rows.evidence) != (prior.manifest.schema, prior.evidence.version):
        raise ModelError(
            "U-SITE-SCHEMA",
            f"The rows were made by feature schema {rows.schema} and the model by {prior.manifest.schema}, or by other"
            " evidence rows: read the export again with this version.",
        )
    _check_duplicates(rows)
    outcome = rows.outcome[:, OUTCOMES.index(ANCHOR)]
    known = ~np.isnan(outcome)
    _check_outcomes(outcome[known], protocol)
    if leaking := leaks(rows.features[known], outcome[known], protocol.leak_auc):
        raise ModelError(
            "U-SITE-LEAK",
            f"These columns alone tell remission better than baseline data can (AUC surely over {protocol.leak_auc:g}):"
            f" {', '.join(leaking)}. Look for values written after the outcome, and correct their dates in the export.",
        )


def _check_duplicates(rows: SiteRows) -> None:
    named = len(rows) - len(set(rows.patients))
    alike = len(rows) - len(set(rows.fingerprints))
    if named or alike:
        raise ModelError(
            "U-SITE-DUPLICATE",
            f"{max(named, alike)} patients are there twice, by id or by everything that is known of them:"
            " export each patient once, or merge the records.",
        )


def _check_outcomes(outcome: Array, protocol: Protocol) -> None:
    wanted = int(np.ceil(protocol.least_outcomes / protocol.holdout))
    if len(outcome) < wanted:
        raise ModelError(
            "U-SITE-FEW",
            f"{len(outcome)} patients have a PHQ-9 before and after a first antidepressant, {wanted} are needed:"
            " wait for more, or export a longer time.",
        )
    fewest = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    least = int(np.ceil(protocol.least_of_a_class / protocol.holdout))
    if fewest < least:
        word = "without" if outcome.mean() > 1 / 2 else "with"
        raise ModelError(
            "U-SITE-CLASS",
            f"{fewest} patients {word} remission, {least} are needed: look whether the export holds all PHQ-9 totals.",
        )


def leaks(features: Array, outcome: Array, limit: float) -> list[str]:
    """Return the columns (n, len(PATIENT_FEATURES)) whose value, or whose being there, tells the outcome (n,)."""
    return [
        name
        for i, name in enumerate(PATIENT_FEATURES)
        if max(_telling(features[:, i], outcome), _telling(np.isnan(features[:, i]).astype(float), outcome)) > limit
    ]


def _telling(column: Array, outcome: Array) -> float:
    """Return the lower 95 % bound of a column's AUC in whichever direction is better; 0 where there is none."""
    known = ~np.isnan(column)
    if len(np.unique(column[known])) < 2 or len(np.unique(outcome[known])) < 2:
        return 0.0
    found = auc(column[known], outcome[known])
    error = auc_error(column[known], outcome[known])
    return max(found, 1 - found) - Z95 * error if np.isfinite(error) else 0.0
