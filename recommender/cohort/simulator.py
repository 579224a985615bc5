"""Simulated adults with major depression and what each drug would do for them.

One seed gives one cohort. Patients belong to sites; each site has its own draw of the evidence, so the cohort
carries what is not known. Every drug's outcome is kept, not only that of the drug given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from recommender.cohort import course, exposure, prescribing, recording
from recommender.cohort.columns import DRUG_FEATURES
from recommender.cohort.draws import Draws, draw, shifted
from recommender.cohort.effects import biased, potential_outcomes
from recommender.cohort.evidence import Array, Evidence
from recommender.cohort.people import Integers, Labels, People, draw_groups, draw_people

PATIENTS_PER_SITE = 50


@dataclass(frozen=True, slots=True)
class Setting:
    """Under what conditions a cohort is drawn.

    ``interaction_sd``: SD on the log-odds of patient-by-drug differences; None draws one a site from the
    evidence, zero among them. ``shifted``: sicker patients, who are recorded less. ``missing``: expected share
    of missing cells, 0 to 1; None by site as the rows have it. ``truth``: "shifted" for sites where drugs and
    prognosis differ from the prior. ``observed``: every outcome is on record; else informatively few.
    ``injected_bias``: points of probability (0 to 1) of remission and response that ``effects.BIASED_GROUP``
    loses. ``sites``: how many; None is one for every 50 patients.
    """

    interaction_sd: float | None = None
    shifted: bool = False
    missing: float | None = None
    truth: Literal["prior", "shifted"] = "prior"
    observed: bool = False
    injected_bias: float = 0.0
    sites: int | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """``n`` patients, ``d`` drugs (``drugs``, in the order of the evidence), ``o`` outcomes, ``w`` weeks.

    ``features`` (n, PATIENT_FEATURES) has NaN where not recorded, ``complete`` the same without masks;
    ``exposure`` (n, d) the log-exposure as far as genes are on record, ``phenotypes`` those by gene ("" where not on
    record); ``site_terms`` (sites, d, ·) the drug's other columns as the site knows them; ``probability`` (n, d, o)
    the truth, NaN where a drug has no figure. Of care: ``given`` (n) the drug's index, ``propensity`` (n, d),
    ``outcome`` (n, o) 0 or 1 on the drug given, ``observed`` (n), ``trajectory`` (n, w) the PHQ-9 at
    ``course.WEEKS``, NaN where not taken. ``groups`` are for audits alone.
    """

    drugs: tuple[str, ...]
    features: Array
    complete: Array
    site: Integers
    site_terms: Array
    exposure: Array
    phenotypes: Mapping[str, Labels]
    probability: Array
    groups: Mapping[str, Labels]
    given: Integers
    propensity: Array
    outcome: Array
    observed: recording.Flags
    trajectory: Array

    @property
    def terms(self) -> Array:
        """Return the drug-side columns (n, d, DRUG_FEATURES) of every patient and drug; large."""
        patients, drugs = self.exposure.shape
        found = np.empty((patients, drugs, len(DRUG_FEATURES)))
        found[:, :, : exposure.EXPOSURE_AT] = self.site_terms[self.site]
        found[:, :, exposure.EXPOSURE_AT] = self.exposure
        return found

    def rows(self, patient: Integers, drug: Integers) -> Array:
        """Return the model's rows (len(patient), MODEL_FEATURES) of pairs of a patient and a drug, by index."""
        terms = exposure.gathered(self.site_terms, self.exposure, self.site, patient, drug)
        return np.hstack([self.features[patient], terms])


def simulate(evidence: Evidence, *, patients: int, seed: int, setting: Setting | None = None) -> Cohort:
    """Return the cohort of a seed; equal arguments give equal arrays."""
    chosen = setting or Setting()
    rng = dict(zip(_STREAMS, np.random.default_rng(seed).spawn(len(_STREAMS)), strict=True))
    people = draw_people(evidence, patients, rng["people"], shifted=chosen.shifted)
    sites = min(patients, chosen.sites or max(2, patients // PATIENTS_PER_SITE))
    site = np.arange(patients) % sites
    draws = _draws(evidence, sites, rng, chosen)
    groups = draw_groups(evidence, people, site, rng["groups"])
    probability = potential_outcomes(evidence, people, draws, site, rng["latent"])
    if chosen.injected_bias:
        probability = biased(probability, groups, chosen.injected_bias)
    record = _recorded(evidence, people, site, rng, chosen)
    care = _cared_for(evidence, people, record.complete, probability, site, rng, chosen)
    return Cohort(
        drugs=tuple(evidence.drugs),
        features=record.features,
        complete=record.complete,
        site=site,
        site_terms=exposure.site_columns(evidence, draws.estimate),
        exposure=exposure.exposures(evidence, record.phenotypes, patients),
        phenotypes=record.phenotypes,
        probability=probability,
        groups=groups,
        given=care.given,
        propensity=care.propensity,
        outcome=care.outcome,
        observed=care.observed,
        trajectory=care.trajectory,
    )


_STREAMS: tuple[str, ...] = (
    *("people", "draws", "truth", "groups", "latent"),
    *("coding", "mask", "prescribing", "outcome", "observed", "course"),
)
_Streams = Mapping[str, np.random.Generator]


class _Record(NamedTuple):
    features: Array
    complete: Array
    phenotypes: Mapping[str, Labels]


class _Care(NamedTuple):
    given: Integers
    propensity: Array
    outcome: Array
    observed: recording.Flags
    trajectory: Array


def _draws(evidence: Evidence, sites: int, rng: _Streams, setting: Setting) -> Draws:
    drawn = draw(evidence, sites, rng["draws"])
    if setting.interaction_sd is not None:
        drawn = replace(drawn, interaction_sd=np.full(sites, setting.interaction_sd))
    return shifted(evidence, drawn, rng["truth"]) if setting.truth == "shifted" else drawn


def _recorded(evidence: Evidence, people: People, site: Integers, rng: _Streams, setting: Setting) -> _Record:
    complete = recording.coded(evidence, people, site, rng["coding"])
    cells, genes = recording.hidden(evidence, people, site, rng["mask"], share=setting.missing, shifted=setting.shifted)
    phenotypes = {gene: np.where(genes, "", found) for gene, found in people.phenotypes.items()}
    return _Record(np.where(cells, np.nan, complete), complete, phenotypes)


def _cared_for(
    evidence: Evidence,
    people: People,
    seen: Array,
    probability: Array,
    site: Integers,
    rng: _Streams,
    setting: Setting,
) -> _Care:
    propensity = prescribing.propensities(evidence, people, seen, site, rng["prescribing"])
    given = prescribing.given(propensity, rng["prescribing"])
    outcome = course.realised(probability[np.arange(len(site)), given], rng["outcome"])
    known = course.observed(evidence, people, outcome, site, rng["observed"]) | setting.observed
    taken = course.trajectories(people.traits["phq9_total"], outcome, rng["course"])
    return _Care(given, propensity, outcome, known, course.recorded(taken, known, evidence, rng["observed"]))
