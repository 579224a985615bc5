"""``undersign features`` and ``assess``: files in, one line or one page a file out."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import load as load_profile
from fhir_adapters.errors import InputError, UndersignError
from recommender.assess import assess
from recommender.assessment import ConsentDefault
from recommender.catalog import packs
from recommender.ranker import model as models
from recommender.ranker.weights import DEFAULT_WEIGHTS
from recommender.serialize import assessment_json, features_json
from service import jurisdictions
from service.terminal import print_assessment, print_features

_HEAVIEST = 100  # 1 is what remission weighs by default; more than this is a slip


def features_of(files: Sequence[Path], profile: str | None, day: date, *, as_json: bool) -> int:
    """Print the feature vector of each file; returns 1 when a file could not be read, else 0."""

    def show(file: Path, adapted: Adapted) -> None:
        if as_json:
            _line({"file": str(file), **features_json(adapted)})
        else:
            print_features(str(file), adapted)

    return _each(files, profile, day, show, as_json=as_json)


def assess_files(
    files: Sequence[Path],
    profile: str | None,
    day: date,
    preferences: Path | None,
    jurisdiction: str | None,
    *,
    as_json: bool,
    pack: Path | None = None,
    consent_default: ConsentDefault = "opt-out",
) -> int:
    """Print the assessment of each file; returns 1 when a file could not be read, else 0.

    ``pack`` is the folder of a knowledge pack; KnowledgeError when it does not check. ``consent_default`` as
    ``assess`` takes it. InputError U-JURISDICTION for a place that is not known.
    """
    rows, model, weights = packs.load(pack), models.load(), _weights(preferences)
    jurisdictions.check(jurisdiction, rows)

    def show(file: Path, adapted: Adapted) -> None:
        assessment = assess(
            adapted,
            rows,
            model,
            jurisdiction=jurisdiction,
            preferences=weights,
            consent_default=consent_default,
            explain=True,
        )
        if as_json:
            _line({"file": str(file), **assessment_json(assessment, adapted)})
        else:
            print_assessment(str(file), assessment, adapted)

    return _each(files, profile, day, show, as_json=as_json)


def _each(
    files: Sequence[Path],
    profile: str | None,
    day: date,
    show: Callable[[Path, Adapted], None],
    *,
    as_json: bool,
) -> int:
    dialect = load_profile(profile or "base-r4")
    status = 0
    for file in files:
        try:
            adapted = adapt(_read(file), day, dialect)
        except UndersignError as error:
            status = 1
            _refused(file, error, as_json=as_json)
        else:
            show(file, adapted)
    return status


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InputError("U-FILE", f"the file could not be read ({error.strerror}): check its path") from error


def _refused(file: Path, error: UndersignError, *, as_json: bool) -> None:
    if as_json:
        _line({"file": str(file), "error": {"code": error.code, "message": error.message}})
    else:
        print(f"{file}: {error.code}: {error.message}", file=sys.stderr)


def _weights(file: Path | None) -> dict[str, float]:
    if file is None:
        return {}
    try:
        found: Any = json.loads(_read(file))
    except InputError as error:
        raise InputError(error.code, f"{file}: {error.message}") from error
    except ValueError as error:
        raise InputError("U-PREFERENCES", f"{file}: preferences are one JSON object of numbers by outcome") from error
    if not isinstance(found, dict):
        raise InputError("U-PREFERENCES", f"{file}: preferences are one JSON object of numbers by outcome")
    weights: dict[str, Any] = dict(found)  # pyright: ignore[reportUnknownArgumentType]
    for name, value in weights.items():
        _check_weight(file, name, value)
    return {name: float(value) for name, value in weights.items()}


def _check_weight(file: Path, name: str, value: object) -> None:
    if name not in DEFAULT_WEIGHTS:
        known = ", ".join(sorted(DEFAULT_WEIGHTS))
        raise InputError("U-PREFERENCES-KEY", f"{file}: no outcome “{name}” can be weighed; use any of: {known}")
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not abs(number) <= _HEAVIEST:  # NaN too
        raise InputError(
            "U-PREFERENCES-VALUE", f"{file}: the weight of “{name}” must be a number from -{_HEAVIEST} to {_HEAVIEST}"
        )


def _line(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), flush=True)
