"""Train the shipped model: one LightGBM S-learner an outcome, on what the simulator says each drug would do.

Whole sites are held out for calibration and conformal bands. The same seed and number of patients give the same bytes.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, PATIENT_FEATURES, Array, Evidence
from recommender.cohort.simulator import simulate
from recommender.errors import ModelError
from recommender.ranker import conformal, ensemble
from recommender.ranker import manifest as manifests
from recommender.ranker.manifest import Manifest, ModelFile
from recommender.ranker.model import NAME, SYMPTOM, modelled, raw_scores
from recommender.training import statement, trained_figures
from recommender.training.calibrate import platt
from recommender.training.fit import (
    DRUGS_PER_PATIENT,
    ROUNDS,
    Fit,
    fit,
    learn,
    learn_symptom,
    masked,
    parameters,
    symptom_parameters,
    table,
    usable_features,
)
from recommender.training.symptom import change_of, given_rows, groups_of
from recommender.training.trained_figures import Learned

__all__ = ["MINIMUM_PATIENTS", "fit", "learned", "parameters", "train", "usable_features"]

MINIMUM_PATIENTS = 500
HELD_OUT = 5  # every fifth site calibrates and does not train
LEAKAGE_AUC = 0.75  # real baseline data have reached 0.65-0.72; more on remission means that something leaks


def train(
    out: Path, *, patients: int, seed: int, created: date, report: Callable[[str], None], fit: Fit = fit
) -> Manifest:
    """Write the model files and the manifest, which comes last, into ``out``; return the manifest.

    ``report`` gets a line of text for each step. ModelError U-MODEL-TRAINING when there are too few
    patients, or when the model ranks remission better than baseline data can (AUC over 0.75).
    """
    if patients < MINIMUM_PATIENTS:
        raise ModelError("U-MODEL-TRAINING", f"Train on {MINIMUM_PATIENTS} simulated patients or more.")
    evidence = evidences.load()
    found = learned(evidence, patients, seed, fit)
    report(f"simulated {patients} patients, {DRUGS_PER_PATIENT} drugs each; {len(found.boosters)} models")
    figures = trained_figures.figures(found, evidence, seed)
    trained_figures.told(figures, report)
    if max(cohort["remission"]["auc"] for cohort in figures.values() if "remission" in cohort) > LEAKAGE_AUC:
        raise ModelError(
            "U-MODEL-TRAINING",
            f"AUC on remission is over {LEAKAGE_AUC}: look for a leak in cohort or features.",
        )
    return _write(out, found, evidence, figures, patients=patients, seed=seed, created=created)


def learned(evidence: Evidence, patients: int, seed: int, fit: Fit = fit) -> Learned:
    """Return boosters, calibration and bands from a simulated cohort; no files."""
    cohort = simulate(evidence, patients=patients, seed=seed)
    everyone, held = np.arange(patients, dtype=np.intp), cohort.site % HELD_OUT == 0
    rows, truth = table(cohort, everyone[~held], DRUGS_PER_PATIENT, seed)
    rows = masked(rows, evidence, seed)
    outcomes = modelled(evidence)
    boosters = {o: learn(o, rows, truth[:, OUTCOMES.index(o)], evidence, seed, fit) for o in outcomes}
    own, change = given_rows(cohort), change_of(cohort)
    boosters[SYMPTOM] = learn_symptom(own[~held], change[~held], evidence, seed, fit)
    calibrating, target = table(cohort, everyone[held], DRUGS_PER_PATIENT, seed)
    calibration = {o: _platt(raw_scores(boosters[o], calibrating), target[:, OUTCOMES.index(o)]) for o in outcomes}
    seen = held & ~np.isnan(change)
    residuals = change[seen] - raw_scores(boosters[SYMPTOM], own[seen])
    return Learned(boosters, calibration, conformal.by_group(residuals, groups_of(own[seen])))


def _platt(raw: Array, target: Array) -> tuple[float, float]:
    told = ~np.isnan(target)
    return platt(raw[told], target[told])


def _ranges(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Return the drawn range of age, and of each number that moves an outcome."""
    names = {"age", *(name for effect in evidence.prognosis for name in effect.seen_as)}
    return {t.name: (t.low, t.high) for t in evidence.traits if t.name in names and t.kind != "flag"}


def _inert(evidence: Evidence) -> str:
    used = {name for outcome in OUTCOMES for group in usable_features(outcome, evidence) for name in group}
    idle = [name for name in PATIENT_FEATURES if name not in used]
    return f"Read, but without effect, because no verified figure was found: {', '.join(idle)}."


def _write(
    out: Path,
    found: Learned,
    evidence: Evidence,
    figures: manifests.Figures,
    *,
    patients: int,
    seed: int,
    created: date,
) -> Manifest:
    import lightgbm

    out.mkdir(parents=True, exist_ok=True)
    texts = {name: booster.model_to_string().encode() for name, booster in found.boosters.items()}
    for name, text in texts.items():
        (out / f"{name}.txt").write_bytes(text)
    manifest = manifests.sealed(
        Manifest(
            name=NAME,
            created=created.isoformat(),
            statement=statement.STATEMENT,
            limits=(*statement.LIMITS, _inert(evidence)),
            features=MODEL_FEATURES,
            schema=SCHEMA_VERSION,
            evidence=evidence.version,
            ranges=_ranges(evidence),
            patients=patients,
            drugs_per_patient=DRUGS_PER_PATIENT,
            seed=seed,
            rounds=ROUNDS,
            parameters={o: parameters(o, evidence, seed) for o in modelled(evidence)}
            | {SYMPTOM: symptom_parameters(evidence, seed)},
            lightgbm=str(lightgbm.__version__),
            files={name: ModelFile(f"{name}.txt", manifests.sha256(text)) for name, text in texts.items()},
            calibration=found.calibration,
            bands=found.bands,
            draws=ensemble.DRAWS,
            draw_seed=ensemble.SEED,
            figures=figures,
        )
    )
    (out / manifests.FILE).write_bytes(manifests.encode(manifest))
    return manifest
