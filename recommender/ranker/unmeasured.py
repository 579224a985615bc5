"""What is not known of the patient and would change the first band, if it were found to be something."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fhir_adapters.vector.schema import BY_NAME
from recommender.cohort import exposure
from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, PATIENT_FEATURES, Array, usable
from recommender.ranker.model import Model, scores_for
from recommender.ranker.ranking import bands
from recommender.ranker.record import Phenotypes
from recommender.ranker.results import Unmeasured
from recommender.ranker.words import moves

_FLAGS = {0.0: "no", 1.0: "yes"}


class _Case(NamedTuple):
    """A feature or gene, the value that it is supposed to have, and the rows with it."""

    feature: str
    value: str
    rows: Array


def unmeasured(
    model: Model,
    ingredients: Sequence[str],
    table: Array,
    offerable: Sequence[str],
    weights: Mapping[str, float],
    phenotypes: Phenotypes,
) -> tuple[Unmeasured, ...]:
    """Return each value of what is not known that would change which of the ``offerable`` share the first band.

    ``table`` (len(ingredients), MODEL_FEATURES) holds the patient's rows. Numbers are tried at both ends of what
    the model has seen.
    """
    if len(offerable) < 2:
        return ()
    cases = [*_traits(model, table, weights), *_genes(model, ingredients, table, phenotypes)]
    weighed = {outcome for outcome, weight in weights.items() if weight}
    found = scores_for(model, weighed, np.vstack([table, *(case.rows for case in cases)]))
    found = found.reshape(len(cases) + 1, len(table), -1)
    firsts = [_first_band(one, ingredients, offerable, weights) for one in found]
    told = (_told(case, firsts[0], first) for case, first in zip(cases, firsts[1:], strict=True) if first != firsts[0])
    return tuple(told)


def _traits(model: Model, table: Array, weights: Mapping[str, float]) -> Iterator[_Case]:
    used = {name for outcome, weight in weights.items() if weight for name in usable(outcome, model.evidence)}
    for place, name in enumerate(PATIENT_FEATURES):
        if name in used and np.isnan(table[0, place]):
            flag = BY_NAME[name].kind == "flag"
            for value in (0.0, 1.0) if flag else model.manifest.ranges[name]:
                rows = table.copy()
                rows[:, place] = value
                yield _Case(name, _FLAGS[value] if flag else f"{value:g}", rows)


def _genes(model: Model, ingredients: Sequence[str], table: Array, phenotypes: Phenotypes) -> Iterator[_Case]:
    evidence = model.evidence
    for gene, shares in evidence.phenotypes.items():
        if gene in phenotypes:
            continue
        for phenotype in shares:
            rows = table.copy()
            rows[:, len(PATIENT_FEATURES) :] = exposure.columns(evidence, {**phenotypes, gene: phenotype}, ingredients)
            yield _Case(gene, phenotype, rows)


def _first_band(
    p: Array, ingredients: Sequence[str], offerable: Sequence[str], weights: Mapping[str, float]
) -> frozenset[str]:
    utility = np.zeros(len(ingredients))
    for outcome, weight in weights.items():
        column = p[:, OUTCOMES.index(outcome)]
        if weight and not np.isnan(column).all():
            worst = (np.nanmin if weight > 0 else np.nanmax)(column)
            utility += weight * np.where(np.isnan(column), worst, column)
    by_name = dict(zip(ingredients, utility.tolist(), strict=True))
    return frozenset(name for name, band in bands({name: by_name[name] for name in offerable}).items() if band == 1)


def _told(case: _Case, before: frozenset[str], after: frozenset[str]) -> Unmeasured:
    enter, leave = tuple(sorted(after - before)), tuple(sorted(before - after))
    name = f"The {BY_NAME[case.feature].meaning}" if case.feature in MODEL_FEATURES else case.feature
    message = f"{name} is not known. If it were {case.value}, {moves(enter, leave)}."
    return Unmeasured(case.feature, case.value, enter, leave, message)
