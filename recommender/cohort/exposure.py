"""The drug's side of a row: what the network reports, the drug's attributes, and the level a patient would have.

One arithmetic for the simulator and the bedside.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fhir_adapters.canonical import FeatureVector
from recommender.cohort.columns import ATTRIBUTES, DRUG_FEATURES, EXPOSURE, OUTCOMES
from recommender.cohort.evidence import Array, Evidence
from recommender.cohort.people import Integers, Labels

EXPOSURE_AT = DRUG_FEATURES.index(EXPOSURE)


def columns(evidence: Evidence, phenotypes: Mapping[str, str], drugs: Sequence[str]) -> Array:
    """Return the drug-side columns (len(drugs), DRUG_FEATURES) of one patient, NaN where not known.

    ``phenotypes`` are the patient's known metaboliser phenotypes by gene, in CPIC's words, as they are with the
    drugs taken. A drug without evidence has NaN in every column.
    """
    rows = [[*_terms(evidence, d), *_attributes(evidence, d), log_exposure(evidence, phenotypes, d)] for d in drugs]
    return np.array(rows, np.float64).reshape(len(drugs), len(DRUG_FEATURES))


def log_exposure(evidence: Evidence, phenotypes: Mapping[str, str], drug: str) -> float:
    """Return the log of the fold of a drug's level against the normal metaboliser, NaN where not known."""
    folds = [evidence.exposure.get((drug, gene, phenotype)) for gene, phenotype in phenotypes.items()]
    known = [math.log(fold) for fold in folds if fold is not None]
    return sum(known) if known else math.nan


def exposures(evidence: Evidence, phenotypes: Mapping[str, Labels], patients: int) -> Array:
    """Return the log-exposure of every patient to every drug (n, d), NaN where no figure is at hand."""
    drugs = list(evidence.drugs)
    total, known = np.zeros((patients, len(drugs))), np.zeros((patients, len(drugs)), np.bool_)
    for (ingredient, gene, phenotype), fold in evidence.exposure.items():
        if ingredient in evidence.drugs and gene in phenotypes:
            who, column = phenotypes[gene] == phenotype, drugs.index(ingredient)
            total[who, column] += math.log(fold)
            known[who, column] = True
    return np.where(known, total, np.nan)


def site_columns(evidence: Evidence, estimate: Array) -> Array:
    """Return the drug-side columns without exposure (s, d, T - 1) of sites that know ``estimate`` (s, d, o)."""
    attributes = np.array([_attributes(evidence, drug) for drug in evidence.drugs])
    return np.concatenate([estimate, np.broadcast_to(attributes, (*estimate.shape[:2], len(ATTRIBUTES)))], axis=2)


def gathered(site_terms: Array, exposure: Array, site: Integers, patient: Integers, drug: Integers) -> Array:
    """Return the drug-side columns (len(patient), DRUG_FEATURES) of pairs of a patient and a drug."""
    rows = np.empty((len(patient), len(DRUG_FEATURES)))
    rows[:, :EXPOSURE_AT] = site_terms[site[patient], drug]
    rows[:, EXPOSURE_AT] = exposure[patient, drug]
    return rows


def _terms(evidence: Evidence, drug: str) -> list[float]:
    found = evidence.drugs.get(drug, {})
    return [found[o].log_or if o in found else math.nan for o in OUTCOMES]


def _attributes(evidence: Evidence, drug: str) -> list[float]:
    found = evidence.attributes.get(drug, {})
    return [found.get(name, math.nan) for name in ATTRIBUTES]


def known_phenotypes(evidence: Evidence, features: FeatureVector) -> dict[str, str]:
    """Return the patient's recorded phenotypes of the genes that the evidence speaks of, in CPIC's words."""
    genes = dict.fromkeys(gene for _, gene, _ in evidence.exposure)
    found = {gene: features.text(f"{gene.lower()}_phenotype") for gene in genes}
    return {gene: phenotype for gene, phenotype in found.items() if phenotype}
