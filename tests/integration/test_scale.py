"""On a local Dask cluster of two workers: the same features bit for bit, and a model as good."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fhir_adapters.errors import UndersignError
from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import OUTCOMES
from recommender.cohort.simulator import simulate
from recommender.ranker.model import scores_of
from recommender.training.figures import auc
from recommender.training.fit import fit, learn, table
from service.scale import cluster, patients
from service.scale.lines import work
from tests.fixtures.exports import export, tangled

pytest.importorskip("distributed", reason="the extra undersign[scale] is not installed")
pytestmark = pytest.mark.filterwarnings("default")

PROFILE = "base-r4"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Return the client of a cluster of two workers on this machine."""
    with cluster.connected(None) as found:
        yield found


def test_features_are_bit_identical(client: Any, tmp_path: Path) -> None:
    """A cluster prints the lines of one machine, in the same order, for a folder in parts and for tangled ones."""
    export(tmp_path / "north", 20)
    tangled(tmp_path / "south")
    line, said = work(PROFILE, date(2026, 11, 22)), list[str]()
    expected = list(patients.here([tmp_path], PROFILE, line))
    assert list(patients.on(client, [tmp_path], PROFILE, line, said.append)) == expected
    assert len(expected) == 23 + 13
    assert len(said) == 6


def test_a_model_of_the_cluster_is_as_good(client: Any) -> None:
    """Trained on two workers, the model ranks within 0.002 of AUC, and no tree mixes what is kept apart."""
    from service.scale.fitting import fit_on

    evidence = evidences.load()
    cohort, unseen = (simulate(evidence, patients=4_000, seed=seed) for seed in (1, 2))
    rows, truth = table(cohort, np.arange(4_000), 5, 1)
    place = OUTCOMES.index("remission")
    found, ours = (learn("remission", rows, truth[:, place], evidence, 1, way) for way in (fit_on(client), fit))
    judged = unseen.rows(np.arange(4_000), unseen.given)
    ranked = [auc(scores_of(one, judged), unseen.outcome[:, place]) for one in (found, ours)]
    assert abs(ranked[0] - ranked[1]) <= 0.002
    assert np.abs(scores_of(found, judged) - scores_of(ours, judged)).max() < 0.05
    features = [
        set(str(tree["tree_structure"]).split("'split_feature': ")[1:]) for tree in found.dump_model()["tree_info"]
    ]
    groups = [{int(one.split(",")[0]) < 9 for one in tree} for tree in features]
    assert all(len(group) <= 1 for group in groups)
    assert {True, False} <= {next(iter(group)) for group in groups if group}


def test_an_address_where_nobody_answers_is_refused() -> None:
    """A scheduler that cannot be reached is one error with a code."""
    with pytest.raises(UndersignError) as raised, cluster.connected("tcp://127.0.0.1:9"):
        pass
    assert raised.value.code == "U-SCALE-CLUSTER"
