"""The learned ranker: four LightGBM models, one an outcome, and the manifest that they must agree with.

LightGBM is imported only when a model is loaded: rules alone must run without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import numpy as np

from fhir_adapters.canonical import FeatureVector
from fhir_adapters.vector.schema import BY_NAME, SCHEMA_VERSION
from recommender.assessment import Prediction
from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import (
    MODEL_FEATURES,
    OUTCOMES,
    PATIENT_FEATURES,
    Array,
    Evidence,
)
from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker import policy
from recommender.ranker.manifest import Manifest
from recommender.ranker.uncertainty import interval

if TYPE_CHECKING:
    from lightgbm import Booster

NAME = "depression-1"
_SEX = {"female": 1.0, "male": 0.0}  # any other or unknown sex is missing to the model
_OPEN = 1e-9  # keeps probabilities off 0 and 1, where a logit has no value


@dataclass(frozen=True, slots=True)
class Model:
    """Boosters by outcome, checked against their manifest and evidence."""

    boosters: Mapping[str, "Booster"]
    manifest: Manifest
    evidence: Evidence

    @property
    def version(self) -> str:
        """Return the model's name and the start of its manifest's digest."""
        return self.manifest.version


def load(folder: Traversable | None = None) -> Model:
    """Load the shipped model, or that in ``folder``; nothing is used unless everything agrees.

    ModelError U-MODEL-MISSING (a file is not there), U-MODEL-HASH (a file or the manifest was changed),
    U-MODEL-SCHEMA (trained on another feature vector), U-MODEL-EVIDENCE (trained on other evidence rows).
    """
    folder = folder if folder is not None else files("recommender") / "models" / NAME
    manifest = manifests.decode(_read(folder, manifests.FILE))
    evidence = evidences.load()
    _check(manifest, evidence)
    texts = {outcome: _checked_text(folder, manifest, outcome) for outcome in OUTCOMES}
    return Model({outcome: _booster(text) for outcome, text in texts.items()}, manifest, evidence)


def _read(folder: Traversable, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(
            "U-MODEL-MISSING",
            f"The model file {name} is not there: reinstall the package or run “undersign train”.",
        ) from error


def _check(manifest: Manifest, evidence: Evidence) -> None:
    if manifest.schema != SCHEMA_VERSION or manifest.features != MODEL_FEATURES:
        raise ModelError(
            "U-MODEL-SCHEMA",
            f"The model was trained on feature schema {manifest.schema}, this version has {SCHEMA_VERSION}:"
            " run “undersign train”.",
        )
    if manifest.evidence != evidence.version:
        raise ModelError(
            "U-MODEL-EVIDENCE",
            "The model was trained on other evidence rows than those at hand: run “undersign train”.",
        )


def _checked_text(folder: Traversable, manifest: Manifest, outcome: str) -> str:
    entry = manifest.files.get(outcome)
    if entry is None:
        raise ModelError("U-MODEL-MISSING", f"The manifest names no model of {outcome}: run “undersign train”.")
    raw = _read(folder, entry.path)
    if manifests.sha256(raw) != entry.sha256:
        raise ModelError(
            "U-MODEL-HASH",
            f"{entry.path} is not the file that was trained: reinstall the package or train again.",
        )
    return raw.decode()


def _booster(text: str) -> "Booster":
    from lightgbm import Booster

    booster = Booster(model_str=text)
    if tuple(booster.feature_name()) != MODEL_FEATURES:
        raise ModelError("U-MODEL-SCHEMA", "The model's columns are not those of its manifest: train again.")
    return booster


def predict(
    model: Model, features: FeatureVector, ingredients: Sequence[str]
) -> Mapping[str, Mapping[str, Prediction]]:
    """Return the outcomes of starting each ingredient, by ingredient and outcome, in the order given.

    An ingredient without evidence rows is left out. The rates are those of a *new* trial: they say nothing
    of staying on a drug that was already given an adequate time, so do not ask for that one.
    """
    known = [name for name in dict.fromkeys(ingredients) if name in model.evidence.drugs]
    if not known:
        return {}
    rows = _matrix(patient_row(features), known, model.evidence)
    scores = {o: scores_of(model.boosters[o], rows) for o in OUTCOMES}
    # Every PHQ-9 total that the model has seen is 10 or more; remission, below 5, at least halves it.
    scores["response"] = np.maximum(scores["response"], scores["remission"])
    columns = {o: column.tolist() for o, column in scores.items()}
    return {name: _outcomes(name, i, columns, model.evidence) for i, name in enumerate(known)}


def scores_of(booster: "Booster", rows: Array) -> Array:
    """Return the probability of each row (n, MODEL_FEATURES), strictly between 0 and 1, on one thread."""
    found = booster.predict(rows, num_threads=1)  # pyright: ignore[reportUnknownMemberType]  (pandas in its type)
    return np.clip(np.asarray(found, np.float64), _OPEN, 1 - _OPEN)


def _outcomes(
    ingredient: str, row: int, columns: Mapping[str, Sequence[float]], evidence: Evidence
) -> dict[str, Prediction]:
    effects = evidence.drugs[ingredient]
    return {o: interval(columns[o][row], effects[o], evidence.spread[o]) for o in OUTCOMES}


def _matrix(patient: Array, ingredients: Sequence[str], evidence: Evidence) -> Array:
    rows = np.empty((len(ingredients), len(MODEL_FEATURES)), np.float64)
    rows[:, : len(PATIENT_FEATURES)] = patient
    rows[:, len(PATIENT_FEATURES) :] = [[evidence.drugs[i][o].log_or for o in OUTCOMES] for i in ingredients]
    return rows


def patient_row(features: FeatureVector) -> Array:
    """Return the patient's columns, in the order of PATIENT_FEATURES, NaN where a feature is absent."""
    return np.array([_column(name, features) for name in PATIENT_FEATURES], np.float64)


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


def support(model: Model, features: FeatureVector) -> tuple[str, ...]:
    """Return why the record is outside what the model was trained on; empty means that it is inside."""
    reasons: list[str] = []
    for name, (low, high) in model.manifest.ranges.items():
        spec, value = BY_NAME[name], features.number(name)
        if value is None:
            if name in REQUIRED:
                reasons.append(f"The {spec.meaning} is not known ({features.features[name].status}).")
        elif not low <= value <= high:
            reasons.append(f"The {spec.meaning} is outside {low:g} to {high:g}, which is all that the model has seen.")
    return tuple(reasons)


REQUIRED = ("age", "phq9_total")
