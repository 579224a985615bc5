"""Who the simulated patients are: traits, genes, audit groups, before anything is recorded."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.columns import PATIENT_FEATURES
from recommender.cohort.evidence import Array, Evidence, Trait

ANXIOUS = "anxious_depression"
FRAILTY = "frailty"
PROBLEMS = ("anxiety_disorder", "chronic_depression", "substance_use")
AGE_BANDS = ((18, "18-39"), (40, "40-64"), (65, "65+"))

Labels = NDArray[np.str_]
Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class People:
    """``n`` patients: ``traits`` by name, each (n,), some of which no record shows; ``phenotypes`` by gene."""

    traits: Mapping[str, Array]
    phenotypes: Mapping[str, Labels]

    def columns(self) -> Array:
        """Return the patient features (n, len(PATIENT_FEATURES)) as they are."""
        return np.column_stack([self.traits[name] for name in PATIENT_FEATURES])

    def standard(self, name: str, evidence: Evidence) -> Array:
        """Return a trait (n,) in standard deviations of its row, 0 at its mean."""
        trait = next(t for t in evidence.traits if t.name == name)
        return (self.traits[name] - _centre(trait)) / _scale(trait)


def draw_people(evidence: Evidence, patients: int, rng: np.random.Generator, *, shifted: bool) -> People:
    """Draw the patients; ``shifted`` draws sicker ones with more failed trials."""
    traits = {ANXIOUS: np.zeros(patients)}
    for trait in evidence.traits:
        traits[trait.name] = _values(trait, traits[ANXIOUS], rng, shifted=shifted)
    traits[FRAILTY] = evidence.assumptions["frailty.sd"] * rng.standard_normal(patients)
    return People(traits, {gene: _drawn(shares, patients, rng) for gene, shares in evidence.phenotypes.items()})


def draw_groups(evidence: Evidence, people: People, site: Integers, rng: np.random.Generator) -> Mapping[str, Labels]:
    """Return the audit groups of the patients; a site has one dialect. No effect on any outcome hangs on them."""
    patients = len(site)
    drawn = {name: _drawn(shares, patients, rng) for name, shares in evidence.groups.items() if name != "dialect"}
    dialects = _drawn(evidence.groups["dialect"], int(site.max()) + 1, rng)
    sex = np.where(people.traits["sex"] == 1, "female", "male")
    return {"sex": sex, "age_band": age_band(people.traits["age"]), **drawn, "dialect": dialects[site]}


def age_band(age: Array) -> Labels:
    """Return the age bands of audits and intervals; "unknown" where the age is NaN."""
    starts = np.array([start for start, _ in AGE_BANDS])
    labels = np.array(["unknown", *(label for _, label in AGE_BANDS)])
    band = np.searchsorted(starts, np.nan_to_num(age, nan=-1.0), side="right")
    return labels[band]


def _values(trait: Trait, anxious: Array, rng: np.random.Generator, *, shifted: bool) -> Array:
    mean = np.full(len(anxious), trait.shifted_mean if shifted else trait.mean)
    if trait.mean_if_anxious is not None:
        mean[anxious == 1] = trait.mean_if_anxious
    if trait.kind == "flag":
        return (rng.random(len(anxious)) < mean).astype(np.float64)
    if trait.kind == "uniform":
        return rng.integers(int(trait.low), int(trait.high), len(anxious), endpoint=True).astype(np.float64)
    if trait.kind == "count":
        return np.clip(rng.poisson(mean), trait.low, trait.high).astype(np.float64)
    return _truncated(mean, trait, rng)


def _truncated(mean: Array, trait: Trait, rng: np.random.Generator) -> Array:
    values = np.round(rng.normal(mean, trait.sd))
    while (outside := (values < trait.low) | (values > trait.high)).any():
        values[outside] = np.round(rng.normal(mean[outside], trait.sd))
    return values


def _drawn(shares: Mapping[str, float], number: int, rng: np.random.Generator) -> Labels:
    return rng.choice(np.array(list(shares)), size=number, p=np.array(list(shares.values())))


def _centre(trait: Trait) -> float:
    if trait.kind == "uniform":
        return (trait.low + trait.high) / 2
    return trait.mean if trait.mean_if_anxious is None else (trait.mean + trait.mean_if_anxious) / 2


def _scale(trait: Trait) -> float:
    if trait.kind == "uniform":
        return (trait.high - trait.low) / 12**0.5
    if trait.kind == "flag":
        return (trait.mean * (1 - trait.mean)) ** 0.5
    return trait.mean**0.5 if trait.kind == "count" else trait.sd
