"""The manifest of a trained model: what it reads, what it was made from, and how it did."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from recommender.errors import ModelError

FILE = "manifest.json"

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]
Calibration = Mapping[str, tuple[float, float]]
Offsets = Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model as LightGBM text, for one outcome."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SiteUpdate:
    """What a site's own records changed in a model, under which plan.

    ``parent`` is the digest of the manifest that was updated, ``plan`` the version of the change plan, ``changes``
    by outcome ``recalibrate`` or ``fine-tune``, ``gates`` what each gate found, ``rows`` the site's rows.
    """

    site: str
    plan: str
    parent: str
    changes: Mapping[str, str]
    gates: Mapping[str, tuple[str, ...]]
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that must agree before a model is used, and everything to know of it.

    ``features`` are the columns in order; ``schema`` the version of the canonical feature vector;
    ``evidence`` the SHA-256 of the evidence rows; ``ranges`` what was drawn for each patient feature that
    must be in range. ``calibration`` holds Platt's intercept and slope by outcome: p = expit(a + b · raw).
    ``bands`` are what to add to the predicted symptom change, in points of percent, by group and coverage in
    percent; ``draws`` and ``draw_seed`` make the ensemble over the evidence. ``figures`` by cohort, outcome and
    measure; ``digest`` is the SHA-256 of the rest.
    """

    name: str
    created: str
    statement: str
    limits: tuple[str, ...]
    features: tuple[str, ...]
    schema: str
    evidence: str
    ranges: Mapping[str, tuple[float, float]]
    patients: int
    drugs_per_patient: int
    seed: int
    rounds: int
    parameters: Mapping[str, Mapping[str, str | int | float | bool]]
    lightgbm: str
    files: Mapping[str, ModelFile]
    calibration: Calibration
    bands: Offsets
    draws: int
    draw_seed: int
    figures: Figures
    update: SiteUpdate | None = None
    digest: str = ""

    @property
    def version(self) -> str:
        """Return the name with the first figures of the digest."""
        return f"{self.name}+{self.digest[:12]}"


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with its own digest."""
    return replace(manifest, digest=_digest(manifest))


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(raw: bytes) -> Manifest:
    """Read a manifest; ModelError U-MODEL-HASH when it is unreadable or was changed."""
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelError("U-MODEL-HASH", f"{FILE} cannot be read: reinstall the package or train again.") from error
    if manifest.digest != _digest(manifest):
        raise ModelError("U-MODEL-HASH", f"{FILE} was changed after training: reinstall the package or train again.")
    return manifest


def sha256(raw: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(raw).hexdigest()


def _digest(manifest: Manifest) -> str:
    return sha256(msgspec.json.encode(replace(manifest, digest="")))
