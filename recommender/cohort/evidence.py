"""The evidence behind the model: what the rows of ``knowledge/evidence`` say.

A row that is not verified, or has no figure, has no effect. Log-odds are natural; ``tau`` is the SD between
trials on that scale. Outcomes are always in the order of ``OUTCOMES``. What is not evidence but this
project's choice for simulated people stands in cohort.csv, groups.csv, phenotype_shares.csv and
assumptions.csv, and says so.
"""

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np

from recommender.cohort import rows
from recommender.cohort.columns import (
    ATTRIBUTES,
    CORE_OUTCOMES,
    DRUG_FEATURES,
    DRUG_TERMS,
    EXPOSURE,
    MODEL_FEATURES,
    OUTCOMES,
    PATIENT_FEATURES,
    SIDE_EFFECTS,
    term,
)
from recommender.cohort.facts import Array, DrugEffect, Evidence, Moderator, PrognosticEffect, Trait, logit

__all__ = [
    "ATTRIBUTES",
    "CORE_OUTCOMES",
    "DRUG_FEATURES",
    "DRUG_TERMS",
    "EXPOSURE",
    "MODEL_FEATURES",
    "OUTCOMES",
    "PATIENT_FEATURES",
    "SIDE_EFFECTS",
    "Array",
    "DrugEffect",
    "Evidence",
    "Moderator",
    "PrognosticEffect",
    "Trait",
    "load",
    "logit",
    "mask_groups",
    "parse",
    "point_estimates",
    "standard_errors",
    "term",
    "usable",
]


@cache
def load() -> Evidence:
    """Read and check the shipped evidence; KnowledgeError U-KNOWLEDGE-ROW names the file and line."""
    folder = files("recommender") / "knowledge" / "evidence"
    return rows.evidence({name: (folder / name).read_bytes() for name in rows.FILES})


def parse(tables: Mapping[str, bytes]) -> Evidence:
    """Return the evidence of the tables, given by file name."""
    return rows.evidence(tables)


def point_estimates(evidence: Evidence) -> Array:
    """Return the network's log-odds ratios (d, o), drugs in the order of ``evidence.drugs``, NaN where unknown."""
    return _table(evidence, {name: {o: e.log_or for o, e in found.items()} for name, found in evidence.drugs.items()})


def standard_errors(evidence: Evidence) -> tuple[Array, Array]:
    """Return the standard errors and the SDs between trials, each (d, o), NaN where unknown."""
    se = {name: {o: e.se for o, e in found.items()} for name, found in evidence.drugs.items()}
    tau = {name: {o: e.tau for o, e in found.items()} for name, found in evidence.drugs.items()}
    return _table(evidence, se), _table(evidence, tau)


def _table(evidence: Evidence, found: Mapping[str, Mapping[str, float]]) -> Array:
    return np.array([[found[name].get(o, math.nan) for o in OUTCOMES] for name in evidence.drugs], np.float64)


def usable(outcome: str, evidence: Evidence) -> frozenset[str]:
    """Return the model's features that can move an outcome: those behind a verified figure."""
    traits = {name for effect in evidence.prognosis if effect.outcome == outcome for name in effect.seen_as}
    exposed = {EXPOSURE for one in evidence.moderators if one.outcome == outcome}
    return frozenset({*traits, *exposed, term(outcome)})


def mask_groups(evidence: Evidence) -> Mapping[str, tuple[str, ...]]:
    """Return the patient features that are missing together, by group."""
    names = dict.fromkeys(t.group for t in evidence.traits if t.group)
    return {
        group: tuple(t.name for t in evidence.traits if t.group == group and t.name in PATIENT_FEATURES)
        for group in names
    }
