"""Train the shipped model: one LightGBM S-learner an outcome, on what the simulator says each drug would do.

The target is the simulator's probability (a soft label), so chance in outcomes teaches nothing. No tree may
split on a feature that has no verified effect on its outcome: the model knows the column and gives it no
weight. The same seed and number of patients give the same bytes.
"""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import (
    DRUG_TERMS,
    MODEL_FEATURES,
    OUTCOMES,
    PATIENT_FEATURES,
    Array,
    Evidence,
)
from recommender.cohort.simulator import Cohort, simulate
from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker.manifest import Manifest, ModelFile
from recommender.ranker.model import NAME, scores_of
from recommender.training.figures import measure

if TYPE_CHECKING:
    from lightgbm import Booster

Parameters = dict[str, str | int | float | bool]

DRUGS_PER_PATIENT = 5
ROUNDS = 100
MINIMUM_PATIENTS = 500
EVALUATION_PATIENTS = 20_000
LEAKAGE_AUC = 0.75  # real baseline data have reached 0.65-0.72; more on remission means that something leaks

# More severe, longer ill, more failed trials: never a better chance. Signs only; sizes are evidence rows.
_WORSE = ("phq9_total", "chronic_depression", "antidepressant_trials")

STATEMENT = (
    "Trained on simulated adults with major depression, drawn from published evidence: a network"
    " meta-analysis of 522 antidepressant trials (GRISELDA) for the drugs, STAR*D and an individual-patient"
    " meta-analysis for prognosis. It was not trained on patients of any hospital,"
    " and has not been validated on patients."
)
LIMITS = (
    "External validation on patients: none.",
    "Base rates are those of the trials: the placebo arms' rate for patients without a failed trial, moved"
    " by each drug's odds ratio. A site's rates may differ; the intervals show how far published cohorts do.",
    "No patient trait is known to change which drug works best: by benefit, drugs keep one order for all."
    " Safety rules and the patient's own weights make the difference.",
    "Failed trials do not change stopping: no verified figure was found.",
    "STAR*D steps are cohorts of those who went on, so part of a step's effect may be who they were.",
    "PHQ-9 stands for the trials' rating scales; GAD-7 and the problem list stand for anxious depression.",
    "Where a feature is not known, the cohort's spread stands in for it; most of that spread is assumed.",
    "Rates are for acute treatment as in the trials; nothing is said of staying on a drug that did not help.",
    "Odds ratios are averages over the trials' patients, taken as they are for each patient.",
)


def train(out: Path, *, patients: int, seed: int, created: date, report: Callable[[str], None]) -> Manifest:
    """Write four model files and the manifest, which comes last, into ``out``; return the manifest.

    ``report`` gets a line of text for each step. ModelError U-MODEL-TRAINING when there are too few
    patients, or when the model ranks remission better than baseline data can (AUC over 0.75).
    """
    if patients < MINIMUM_PATIENTS:
        raise ModelError("U-MODEL-TRAINING", f"Train on {MINIMUM_PATIENTS} simulated patients or more.")
    evidence = evidences.load()
    rows, labels = _table(simulate(evidence, patients=patients, seed=seed), DRUGS_PER_PATIENT, seed)
    report(f"simulated {patients} patients, {len(rows)} rows")
    boosters = {o: _fit(o, rows, labels[:, i], evidence, seed) for i, o in enumerate(OUTCOMES)}
    figures = {
        "held-out": _figures(boosters, evidence, seed, shifted=False),
        "shifted-site": _figures(boosters, evidence, seed, shifted=True),
    }
    _report(figures, report)
    if max(cohort["remission"]["auc"] for cohort in figures.values()) > LEAKAGE_AUC:
        raise ModelError(
            "U-MODEL-TRAINING",
            f"AUC on remission is over {LEAKAGE_AUC}: look for a leak in cohort or features.",
        )
    return _write(out, boosters, evidence, figures, patients=patients, seed=seed, created=created)


def parameters(outcome: str, evidence: Evidence, seed: int) -> Parameters:
    """Return LightGBM's parameters for one outcome."""
    groups = [sorted(MODEL_FEATURES.index(name) for name in group) for group in usable_features(outcome, evidence)]
    return {
        "objective": "cross_entropy",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "min_data_in_leaf": 100,
        "lambda_l2": 1.0,
        "monotone_constraints": ",".join(str(_direction(name, outcome)) for name in MODEL_FEATURES),
        "monotone_constraints_method": "basic",
        "interaction_constraints": str(groups).replace(" ", ""),
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed,
        "verbosity": -1,
    }


def usable_features(outcome: str, evidence: Evidence) -> tuple[frozenset[str], ...]:
    """Return the groups of features that trees of the outcome may split on; no branch mixes two groups.

    The outcome's own drug term, and the traits with a verified effect. They are kept apart because no
    moderator has a verified figure: a tree that mixed them could only learn noise about who needs which drug.
    """
    traits = frozenset(name for e in evidence.prognosis if e.outcome == outcome for name in e.seen_as)
    drug = frozenset({DRUG_TERMS[OUTCOMES.index(outcome)]})
    return (traits, drug) if traits else (drug,)


def _direction(name: str, outcome: str) -> int:
    if name == DRUG_TERMS[OUTCOMES.index(outcome)]:
        return 1
    return -1 if name in _WORSE and outcome in ("remission", "response") else 0


def _table(cohort: Cohort, drugs: int, seed: int) -> tuple[Array, Array]:
    """Return features and soft labels of ``drugs`` random drugs for each patient, as (rows, columns)."""
    patients, offered = cohort.terms.shape[:2]
    rng = np.random.default_rng([seed, drugs])
    chosen = np.argsort(rng.random((patients, offered)), axis=1)[:, :drugs]
    patient = np.arange(patients * drugs, dtype=np.intp) // drugs
    drug = chosen.ravel()
    return np.hstack([cohort.features[patient], cohort.terms[patient, drug]]), cohort.probability[patient, drug]


def _fit(outcome: str, rows: Array, label: Array, evidence: Evidence, seed: int) -> "Booster":
    import lightgbm

    chosen = parameters(outcome, evidence, seed)
    data = lightgbm.Dataset(rows, label=label, feature_name=list(MODEL_FEATURES), params=chosen)
    # The type of LightGBM's callbacks is unknown to pyright.
    return lightgbm.train(dict(chosen), data, num_boost_round=ROUNDS)  # pyright: ignore[reportUnknownMemberType]


def _figures(
    boosters: Mapping[str, "Booster"], evidence: Evidence, seed: int, *, shifted: bool
) -> dict[str, dict[str, float]]:
    unseen = seed + (2_000_003 if shifted else 1_000_003)  # far from any seed that training uses
    rows, truth = _table(simulate(evidence, patients=EVALUATION_PATIENTS, seed=unseen, shifted=shifted), 1, unseen)
    happened = (np.random.default_rng([unseen, 1]).random(truth.shape) < truth).astype(np.float64)
    return {o: measure(scores_of(boosters[o], rows), truth[:, i], happened[:, i]) for i, o in enumerate(OUTCOMES)}


def _report(figures: manifests.Figures, report: Callable[[str], None]) -> None:
    for cohort, outcomes in figures.items():
        for outcome, f in outcomes.items():
            report(
                f"{cohort} {outcome}: AUC {f['auc']:.3f} (oracle {f['oracle_auc']:.3f}), ECE {f['ece']:.3f},"
                f" slope {f['slope']:.2f}, calibration in the large {f['calibration_in_the_large']:+.3f}"
            )


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
    boosters: Mapping[str, "Booster"],
    evidence: Evidence,
    figures: manifests.Figures,
    *,
    patients: int,
    seed: int,
    created: date,
) -> Manifest:
    import lightgbm

    out.mkdir(parents=True, exist_ok=True)
    texts = {outcome: booster.model_to_string().encode() for outcome, booster in boosters.items()}
    for outcome, text in texts.items():
        (out / f"{outcome}.txt").write_bytes(text)
    manifest = manifests.sealed(
        Manifest(
            name=NAME,
            created=created.isoformat(),
            statement=STATEMENT,
            limits=(*LIMITS, _inert(evidence)),
            features=MODEL_FEATURES,
            schema=SCHEMA_VERSION,
            evidence=evidence.version,
            ranges=_ranges(evidence),
            patients=patients,
            drugs_per_patient=DRUGS_PER_PATIENT,
            seed=seed,
            rounds=ROUNDS,
            parameters={o: parameters(o, evidence, seed) for o in OUTCOMES},
            lightgbm=str(lightgbm.__version__),
            files={o: ModelFile(f"{o}.txt", manifests.sha256(text)) for o, text in texts.items()},
            figures=figures,
        )
    )
    (out / manifests.FILE).write_bytes(manifests.encode(manifest))
    return manifest
