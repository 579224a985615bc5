"""One patient's rows for the model: from the feature vector and the genes, with the columns that training saw."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from fhir_adapters.canonical import FeatureVector
from recommender.cohort import exposure
from recommender.cohort.evidence import MODEL_FEATURES, PATIENT_FEATURES, Array, Evidence
from recommender.gene.gene_states import GeneState
from recommender.ranker import policy

Phenotypes = Mapping[str, str]

NO_GENES: Phenotypes = MappingProxyType({})
_SEX = {"female": 1.0, "male": 0.0}  # any other or unknown sex is missing to the model
_SURE = frozenset({"derived", "reported"})


def rows(
    features: FeatureVector, ingredients: Sequence[str], evidence: Evidence, phenotypes: Phenotypes | None = None
) -> Array:
    """Return the rows (len(ingredients), MODEL_FEATURES), NaN where something is not known.

    ``phenotypes`` are the metaboliser phenotypes by gene, in CPIC's words; those reported among the features when
    left out.
    """
    known = exposure.known_phenotypes(evidence, features) if phenotypes is None else phenotypes
    found = np.empty((len(ingredients), len(MODEL_FEATURES)), np.float64)
    found[:, : len(PATIENT_FEATURES)] = patient_row(features)
    found[:, len(PATIENT_FEATURES) :] = exposure.columns(evidence, known, ingredients)
    return found


def patient_row(features: FeatureVector) -> Array:
    """Return the patient's columns, in the order of PATIENT_FEATURES, NaN where a feature is absent."""
    return np.array([_column(name, features) for name in PATIENT_FEATURES], np.float64)


def of_states(states: Mapping[str, GeneState]) -> Phenotypes:
    """Return the phenotype of each gene that is known for sure: one, from a result that is no free text."""
    return {
        gene: next(iter(state.phenotypes))
        for gene, state in states.items()
        if state.certainty in _SURE and len(state.phenotypes) == 1
    }


def _column(name: str, features: FeatureVector) -> float:
    if name == "sex":
        return _SEX.get(features.text(name) or "", np.nan)
    value = features.number(name)
    if value is None:
        return np.nan
    return value + _present_trial(features) if name == "antidepressant_trials" else value


def _present_trial(features: FeatureVector) -> float:
    """Count the present antidepressant as one more failed trial once it had an adequate time.

    The feature counts courses that ended; the STAR*D steps count treatments that did not bring remission,
    and whoever still scores in the trained range has not remitted.
    """
    days = features.number("antidepressant_days")
    return 1.0 if days is not None and days >= policy.load()["trial.adequate_days"] else 0.0
