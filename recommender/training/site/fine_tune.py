"""A few small trees of a site's own outcomes behind those of the recalibrated prior, which all stay as they are."""

from typing import TYPE_CHECKING

import numpy as np

from recommender.cohort.evidence import DRUG_FEATURES, MODEL_FEATURES, PATIENT_FEATURES, Array, Evidence
from recommender.ranker.model import raw_scores
from recommender.training.fit import Parameters, parameters
from recommender.training.site.plan import Protocol, Trees
from recommender.training.site.recalibrate import Platt

if TYPE_CHECKING:
    from lightgbm import Booster

_SEED = 1  # nothing is drawn; the parameters want one


def rebased(booster: "Booster", by: Platt) -> "Booster":
    """Return the booster with Platt's numbers inside its leaves: its log-odds are already moved and stretched."""
    from lightgbm import Booster

    copy = Booster(model_str=booster.model_to_string())
    for tree in copy.dump_model()["tree_info"]:
        place = tree["tree_index"]
        for leaf in range(tree["num_leaves"]):
            value = by[1] * copy.get_leaf_output(place, leaf) + (by[0] if place == 0 else 0.0)
            copy.set_leaf_output(place, leaf, value)
    return copy


def fine_tuned(
    outcome: str,
    base: "Booster",
    fit: tuple[Array, Array, Array],
    stop: tuple[Array, Array, Array],
    evidence: Evidence,
    protocol: Protocol,
) -> "Booster | None":
    """Return the base and the site's trees behind it; None where they do no good on the rows of ``stop``.

    ``fit`` and ``stop`` are columns (n, MODEL_FEATURES), outcome (n,) and weight (n,) above 0.
    """
    import lightgbm

    chosen = site_parameters(outcome, evidence, protocol.trees)
    data = [
        lightgbm.Dataset(
            columns, label=label, weight=weight, feature_name=list(MODEL_FEATURES), params=chosen, free_raw_data=False
        )
        for columns, label, weight in (fit, stop)
    ]
    tuned = lightgbm.train(  # pyright: ignore[reportUnknownMemberType]
        dict(chosen),
        data[0],
        num_boost_round=protocol.rounds,
        valid_sets=[data[1].set_reference(data[0])],
        init_model=base,
        callbacks=[lightgbm.early_stopping(protocol.patience, verbose=False)],
    )
    best = lightgbm.Booster(model_str=tuned.model_to_string(num_iteration=tuned.best_iteration))
    return best if _log_loss(best, stop) < _log_loss(base, stop) else None


def site_parameters(outcome: str, evidence: Evidence, trees: Trees) -> Parameters:
    """Return the shipped model's parameters with the plan's small trees, which may tell all drugs and traits apart.

    The signs of traits stay. No tree mixes traits with drugs: one site's records are too few to tell who needs which
    drug, and who was given what would pass for it.
    """
    signs = str(parameters(outcome, evidence, _SEED)["monotone_constraints"]).split(",")
    traits, drugs = ([MODEL_FEATURES.index(name) for name in names] for names in (PATIENT_FEATURES, DRUG_FEATURES))
    return {
        **parameters(outcome, evidence, _SEED),
        "monotone_constraints": ",".join("0" if i in drugs else sign for i, sign in enumerate(signs)),
        "interaction_constraints": str([traits, drugs]).replace(" ", ""),
        "num_leaves": trees.num_leaves,
        "learning_rate": trees.learning_rate,
        "lambda_l2": trees.lambda_l2,
        "min_data_in_leaf": trees.min_data_in_leaf,
    }


def _log_loss(booster: "Booster", rows: tuple[Array, Array, Array]) -> float:
    columns, label, weight = rows
    return float(np.average(log_loss(raw_scores(booster, columns), label), weights=weight))


def log_loss(log_odds: Array, outcome: Array) -> Array:
    """Return the log loss of each row (n,) of predicted log-odds (n,)."""
    return np.logaddexp(0.0, log_odds) - outcome * log_odds
