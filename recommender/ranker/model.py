"""The learned ranker: one LightGBM model an outcome, and the manifest that they must agree with.

LightGBM is imported only when a model is loaded: rules alone must run without it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import numpy as np

from fhir_adapters.canonical import FeatureVector
from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender.assessment import Prediction
from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, Array, DrugEffect, Evidence
from recommender.errors import ModelError
from recommender.ranker import ensemble as ensembles
from recommender.ranker import manifest as manifests
from recommender.ranker.ensemble import Ensemble
from recommender.ranker.manifest import Manifest
from recommender.ranker.record import Phenotypes, patient_row, rows
from recommender.ranker.scoring import WITHIN, calibrated, raw_scores, scores_of
from recommender.ranker.support import support
from recommender.ranker.uncertainty import half_widths, intervals

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = [
    "NAME",
    "SYMPTOM",
    "Model",
    "calibrated",
    "load",
    "modelled",
    "outcomes",
    "patient_row",
    "predict",
    "raw_scores",
    "rows",
    "scores",
    "scores_for",
    "scores_of",
    "support",
]

NAME = "depression-1"
SYMPTOM = "symptom-change"  # no outcome: PHQ-9 by week 8, in percent


@dataclass(frozen=True, slots=True)
class Model:
    """Boosters by outcome, that of symptom change among them, checked against their manifest and evidence."""

    boosters: Mapping[str, "Booster"]
    manifest: Manifest
    evidence: Evidence
    ensemble: Ensemble = field(repr=False)
    half_widths: Mapping[str, Array] = field(repr=False)

    @property
    def version(self) -> str:
        """Return the model's name and the start of its manifest's digest."""
        return self.manifest.version


def modelled(evidence: Evidence) -> tuple[str, ...]:
    """Return the outcomes that have a verified figure for at least one drug, in the order of OUTCOMES."""
    return tuple(o for o in OUTCOMES if any(o in effects for effects in evidence.drugs.values()))


def load(folder: Traversable | None = None) -> Model:
    """Load the shipped model, or that in ``folder``; nothing is used unless everything agrees.

    ModelError U-MODEL-MISSING (a file is not there), U-MODEL-HASH (a file or the manifest was changed),
    U-MODEL-SCHEMA (trained on another feature vector or other columns), U-MODEL-EVIDENCE (trained on other evidence
    rows), U-MODEL-FILE (a file that is not of this model).
    """
    folder = folder if folder is not None else files("recommender") / "models" / NAME
    manifest = manifests.decode(_read(folder, manifests.FILE))
    evidence = evidences.load()
    _check(manifest, evidence, folder)
    texts = {name: _checked_text(folder, manifest, name) for name in (*modelled(evidence), SYMPTOM)}
    boosters = {name: _booster(text, name) for name, text in texts.items()}
    ensemble = ensembles.draw(evidence, manifest.draws, manifest.draw_seed)
    return Model(boosters, manifest, evidence, ensemble, half_widths(evidence))


def _read(folder: Traversable, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(
            "U-MODEL-MISSING",
            f"The model file {name} is not there: reinstall the package or run “undersign train”.",
        ) from error


def _check(manifest: Manifest, evidence: Evidence, folder: Traversable) -> None:
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
    if set(manifest.calibration) != set(modelled(evidence)):
        raise ModelError("U-MODEL-SCHEMA", "The manifest calibrates other outcomes than are predicted: train again.")
    named = {entry.path for entry in manifest.files.values()}
    if foreign := sorted(one.name for one in folder.iterdir() if one.name.endswith(".txt") and one.name not in named):
        raise ModelError("U-MODEL-FILE", f"{foreign[0]} is no file of this model: take it out of the folder.")


def _checked_text(folder: Traversable, manifest: Manifest, name: str) -> str:
    entry = manifest.files.get(name)
    if entry is None:
        raise ModelError("U-MODEL-MISSING", f"The manifest names no model of {name}: run “undersign train”.")
    raw = _read(folder, entry.path)
    if manifests.sha256(raw) != entry.sha256:
        raise ModelError(
            "U-MODEL-HASH",
            f"{entry.path} is not the file that was trained: reinstall the package or train again.",
        )
    return raw.decode()


def _booster(text: str, name: str) -> "Booster":
    from lightgbm import Booster
    from lightgbm.basic import LightGBMError

    try:
        booster = Booster(model_str=text)
    except LightGBMError as error:
        raise ModelError("U-MODEL-FILE", f"The model of {name} is no LightGBM text: train again.") from error
    if tuple(booster.feature_name()) != MODEL_FEATURES:
        raise ModelError("U-MODEL-SCHEMA", f"The columns of the model of {name} are not the manifest's: train again.")
    return booster


def predict(
    model: Model, features: FeatureVector, ingredients: Sequence[str], phenotypes: Phenotypes | None = None
) -> Mapping[str, Mapping[str, Prediction]]:
    """Return the outcomes of starting each ingredient, by ingredient and outcome, in the order given.

    An ingredient without evidence rows is left out, and so is an outcome that no row tells for it. The rates are
    those of a *new* trial: they say nothing of staying on a drug that was already given an adequate time, so do not
    ask for that one. ``phenotypes`` as ``record.rows`` takes them.
    """
    known = [name for name in dict.fromkeys(ingredients) if name in model.evidence.drugs]
    if not known:
        return {}
    return outcomes(model, known, rows(features, known, model.evidence, phenotypes))


def outcomes(model: Model, ingredients: Sequence[str], table: Array) -> dict[str, dict[str, Prediction]]:
    """Return what ``predict`` returns, of the ingredients' own rows (len(ingredients), MODEL_FEATURES)."""
    p = scores(model, table)
    low, high = intervals(p, np.array([model.half_widths[name] for name in ingredients]))
    found = zip(ingredients, p.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: _outcomes(model.evidence.drugs[name], *row) for name, *row in found}


def _outcomes(
    effects: Mapping[str, DrugEffect], p: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> dict[str, Prediction]:
    return {o: Prediction(*row) for o, *row in zip(OUTCOMES, p, low, high, strict=True) if o in effects}


def scores(model: Model, table: Array) -> Array:
    """Return the calibrated probabilities (n, OUTCOMES) of rows (n, MODEL_FEATURES), on one thread.

    NaN where the row's own log-odds ratio is NaN: what no evidence tells of a drug is not predicted.
    """
    return calibrated(model.boosters, model.manifest.calibration, table)


def scores_for(model: Model, weighed: Collection[str], table: Array) -> Array:
    """Return what ``scores`` returns, NaN for outcomes that are not weighed: fewer models are asked."""
    needed = {*weighed, *(inner for inner, outer in WITHIN if outer in weighed)}
    found = calibrated(model.boosters, {o: p for o, p in model.manifest.calibration.items() if o in needed}, table)
    found[:, [o not in weighed for o in OUTCOMES]] = np.nan
    return found
