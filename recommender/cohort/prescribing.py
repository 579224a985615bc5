"""Which drug the clinicians give: by class, site and patient, also by what no record shows (confounding)."""

import numpy as np

from recommender.cohort.columns import PATIENT_FEATURES
from recommender.cohort.evidence import Array, Evidence
from recommender.cohort.people import FRAILTY, Integers, People


def propensities(evidence: Evidence, people: People, seen: Array, site: Integers, rng: np.random.Generator) -> Array:
    """Return the probability (n, d) that each drug is given; ``seen`` are the features as coded (n, k).

    The figures are assumptions.csv's, not findings.
    """
    choice = evidence.assumptions
    severity = people.standard("phq9_total", evidence)
    anxiety = seen[:, PATIENT_FEATURES.index("anxiety_disorder")]
    ssri = choice["prescribing.ssri"] + choice["prescribing.trials_ssri"] * people.traits["antidepressant_trials"]
    snri = choice["prescribing.severity_snri"] * severity
    frailty = people.traits[FRAILTY] / choice["frailty.sd"]
    tca = choice["prescribing.tca"] + choice["prescribing.frailty_tca"] * frailty
    weight = choice["prescribing.site_sd"] * rng.standard_normal((int(site.max()) + 1, len(evidence.drugs)))[site]
    for name, change in (("ssri", ssri), ("snri", snri), ("tca", tca)):
        weight += change[:, None] * _flag(evidence, name)
    if "bupropion" in evidence.drugs:
        weight[:, list(evidence.drugs).index("bupropion")] += choice["prescribing.anxiety_ndri"] * anxiety
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def given(propensity: Array, rng: np.random.Generator) -> Integers:
    """Return the index (n) of the drug given to each patient."""
    reached = np.cumsum(propensity, axis=1) > rng.random((len(propensity), 1))
    reached[:, -1] = True
    return reached.argmax(axis=1)


def _flag(evidence: Evidence, attribute: str) -> Array:
    """Return 1 for drugs that are known to have an attribute (d)."""
    return np.array([evidence.attributes.get(drug, {}).get(attribute, 0.0) for drug in evidence.drugs])
