"""How far PHQ-9 may fall by week 8 on each drug, with conformal bands that say how little is known of one patient."""

from collections.abc import Mapping, Sequence

from recommender.cohort.evidence import MODEL_FEATURES, Array
from recommender.ranker.conformal import group, of_group
from recommender.ranker.model import SYMPTOM, Model, raw_scores
from recommender.ranker.results import SymptomChange

_SEX, _AGE = MODEL_FEATURES.index("sex"), MODEL_FEATURES.index("age")
LOWEST = -100.0  # percent: nothing of the score is left


def symptom_changes(model: Model, ingredients: Sequence[str], table: Array) -> Mapping[str, SymptomChange]:
    """Return the change on each ingredient from its rows (len(ingredients), MODEL_FEATURES), all of one patient."""
    if not len(table):
        return {}
    offsets = of_group(model.manifest.bands, group(*table[0, [_SEX, _AGE]].tolist()))
    found = raw_scores(model.boosters[SYMPTOM], table).tolist()
    return {name: _banded(percent, offsets) for name, percent in zip(ingredients, found, strict=True)}


def _banded(percent: float, offsets: Mapping[str, tuple[float, float]]) -> SymptomChange:
    bands = {c: (max(LOWEST, percent + low), percent + high) for c, (low, high) in offsets.items()}
    return SymptomChange(percent, bands)
