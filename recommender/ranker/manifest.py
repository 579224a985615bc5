"""The manifest of a trained model: what it reads, what it was made from, and how it did."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from recommender.errors import ModelError

FILE = "manifest.json"

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One model as LightGBM text, for one outcome."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that must agree before a model is used, and everything to know of it.

    ``features`` are the columns in order; ``schema`` the version of the canonical feature vector;
    ``evidence`` the SHA-256 of the evidence rows; ``ranges`` what was drawn for each patient feature that
    must be in range; ``figures`` by cohort, outcome and measure; ``digest`` the SHA-256 of the rest.
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
    figures: Figures
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
