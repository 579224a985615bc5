"""The audit of groups on a site's own table of predictions and outcomes.

Columns: ``prediction``, ``outcome`` (empty while not known), at least one of ``GROUPS``; ``regret`` where known.
"""

import numpy as np

from recommender.errors import TableError
from recommender.training import fairness, monitoring, tables
from recommender.training.evaluation import LEAK
from recommender.training.fairness import Audit
from recommender.training.figures import auc
from recommender.training.tables import Table

GROUPS = (*monitoring.GROUPS, "dialect", "ehr")
LEAST = 500
LEAST_OF_A_CLASS = 50


def audit_of(table: Table) -> Audit:
    """Return the audit of the rows whose outcome is known.

    TableError U-TABLE-COLUMN (no prediction, outcome or group), U-TABLE-VALUE (a cell of another kind), U-TABLE-ROWS
    (too few outcomes), U-TABLE-CLASS (one class, or nearly), U-TABLE-LEAK (predictions that know the outcome).
    """
    tables.require(table, ["prediction", "outcome"])
    names = [name for name in GROUPS if name in table.columns]
    if not names:
        raise TableError("U-TABLE-COLUMN", f"{table.name} has no group column: add any of {', '.join(GROUPS)}.")
    predicted, outcome = tables.probabilities(table, "prediction"), tables.flags(table, "outcome")
    known = ~np.isnan(outcome)
    _check(table.name, predicted[known], outcome[known])
    regret = tables.numbers(table, "regret")[known] if "regret" in table.columns else None
    groups = {name: np.array(table.columns[name])[known] for name in names}
    return fairness.audit(predicted[known], outcome[known], groups, regret=regret)


def _check(name: str, predicted: fairness.Array, outcome: fairness.Array) -> None:
    if len(outcome) < LEAST:
        raise TableError("U-TABLE-ROWS", f"{name} has {len(outcome)} known outcomes: {LEAST} or more are needed.")
    fewer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    if fewer < LEAST_OF_A_CLASS:
        raise TableError(
            "U-TABLE-CLASS",
            f"{name} has {fewer} outcomes of one kind: {LEAST_OF_A_CLASS} of either are needed to compare groups.",
        )
    if auc(predicted, outcome) > LEAK:
        raise TableError(
            "U-TABLE-LEAK",
            f"{name}: the predictions rank outcomes with an AUC over {LEAK}, better than anything known at baseline"
            " can: make sure that they were made before the outcome, without later data.",
        )
