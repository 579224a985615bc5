"""Training one LightGBM model on a Dask cluster, by LightGBM's own interface."""

import json
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.cohort.evidence import MODEL_FEATURES, Array
from recommender.ranker.model import raw_scores
from recommender.training.fit import Fit, Parameters

if TYPE_CHECKING:
    from lightgbm import Booster

# LightGBM's scikit-learn interface has names of its own for these, with defaults that would stand beside ours.
_NAMES = {"lambda_l2": "reg_lambda", "min_data_in_leaf": "min_child_samples", "seed": "random_state"}
_THREADS = "num_threads"  # the workers' own
_APART = "interaction_constraints"


def fit_on(client: Any) -> Fit:
    """Return what trains a model on the cluster of a Dask client, a part of the rows on each worker.

    Groups of columns that no tree may mix are learned one after the other, because LightGBM's distributed training
    fails under interaction constraints (its issue 5680). The model is an ordinary one; its trees differ from those
    of one machine, and its figures by little.
    """

    _quiet()

    def fit(rows: Array, label: Array, parameters: Parameters, rounds: int) -> "Booster":
        groups: list[list[int]] = json.loads(str(parameters.get(_APART, "[]"))) or [list(range(rows.shape[1]))]
        chosen = {name: value for name, value in parameters.items() if name not in (_APART, _THREADS)}
        found = _learned(client, _only(rows, groups[0]), label, None, chosen, rounds)
        for group in groups[1:]:
            start = raw_scores(found, rows)
            found = _joined(found, _learned(client, _only(rows, group), label, start, chosen, rounds))
        return found

    return fit


class _Silent:
    """What LightGBM says of ports goes nowhere; what fails is raised all the same."""

    def info(self, _line: str) -> None: ...

    def warning(self, _line: str) -> None: ...


def _quiet() -> None:
    import_module("lightgbm").register_logger(_Silent())


def _only(rows: Array, group: Sequence[int]) -> Array:
    """Return the rows with all columns but those of a group made constant."""
    kept = np.zeros_like(rows)
    kept[:, group] = rows[:, group]
    return kept


def _learned(
    client: Any, rows: Array, label: Array, start: Array | None, parameters: Mapping[str, Any], rounds: int
) -> "Booster":
    array: Any = import_module("dask.array")  # whose types, and those of the next, say too little
    regressor: Any = import_module("lightgbm.dask").DaskLGBMRegressor
    size = -(-len(rows) // max(1, len(client.scheduler_info(n_workers=-1)["workers"])))
    learner = regressor(
        client=client, n_estimators=rounds, **{_NAMES.get(name, name): value for name, value in parameters.items()}
    )
    with warnings.catch_warnings():
        # It says so of a parameter of its own whenever it is called.
        warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
        learner.fit(
            array.from_array(rows, chunks=(size, rows.shape[1])),
            array.from_array(label, chunks=size),
            init_score=None if start is None else array.from_array(start, chunks=size),
            feature_name=list(MODEL_FEATURES),
        )
    return learner.to_local().booster_


def _joined(first: "Booster", second: "Booster") -> "Booster":
    """Return one booster with the trees of both: its log-odds are the sum of theirs."""
    from lightgbm import Booster

    head, mark, rest = first.model_to_string().partition("\nTree=0\n")
    trees, end, tail = rest.partition("\nend of trees")
    more = second.model_to_string().partition("\nTree=0\n")[2].partition("\nend of trees")[0]
    for place in range(second.num_trees() - 1, 0, -1):
        more = more.replace(f"\nTree={place}\n", f"\nTree={place + first.num_trees()}\n", 1)
    # Without their sizes, trees are read one after the other.
    head = "\n".join(line for line in head.splitlines() if not line.startswith("tree_sizes="))
    both = f"{head}\n{mark}{trees}\nTree={first.num_trees()}\n{more}{end}{tail}"
    return Booster(model_str=Booster(model_str=both).model_to_string())
