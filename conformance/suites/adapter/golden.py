"""Golden files: what a sample gave once, kept beside it, and what differs now, in words.

They hold the values of the samples, so they stay where the samples stay.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from conformance.errors import CheckError
from fhir_adapters.canonical import Adapted, Feature, MedicationCourse

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a sample gives otherwise than its golden file says; ``old`` or ``new`` is empty for nothing."""

    what: str
    old: str
    new: str


class Golden(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one sample gave on the day ``as_of`` with a profile; ``error`` alone where it was refused.

    ``features``: name → value with its unit, or the state and its reason. ``refused``: what was left out → how often.
    """

    format: int
    profile: str
    as_of: date
    error: str = ""
    features: dict[str, str] = {}
    lists: dict[str, str] = {}
    medications: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    refused: dict[str, int] = {}


def of(adapted: Adapted) -> Golden:
    """Return what a sample gives."""
    patient = adapted.patient
    refused: dict[str, int] = {}
    for one in patient.refusals:
        name = f"{one.reference.partition('/')[0]} {one.path}: {one.reason}"
        refused[name] = refused.get(name, 0) + 1
    return Golden(
        FORMAT,
        adapted.profile,
        adapted.features.as_of,
        features={name: told(one) for name, one in adapted.features.features.items() if _says(one)},
        lists=dict(sorted(patient.lists.items())),
        medications=tuple(sorted(_course(one) for one in patient.medications)),
        problems=tuple(sorted(" ".join(one.keys) or "not understood" for one in patient.diagnoses)),
        allergies=tuple(sorted(" ".join((*one.ingredients, *one.classes)) or "not understood"
                               for one in patient.allergies)),
        refused=dict(sorted(refused.items())),
    )  # fmt: skip


def error(code: str, profile: str, day: date) -> Golden:
    """Return what a sample gives that is refused as a whole."""
    return Golden(FORMAT, profile, day, error=code)


def told(one: Feature) -> str:
    """Return a feature in words: the value with its unit, or why there is none."""
    if one.status != "present":
        return f"{one.status}: {one.reason}" if one.reason else one.status
    value = f"{one.value:g}" if isinstance(one.value, float) else str(one.value).lower()
    return f"{value} {one.unit}" if one.unit else value


def place(folder: Path, name: str) -> Path:
    """Return the golden file of a sample."""
    return folder / f"{name.removesuffix('.json').removesuffix('.ndjson')}.golden.json"


def load(path: Path) -> Golden | None:
    """Return a golden file, None where there is none; CheckError U-CHECK-GOLDEN for what is none."""
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Golden)
    except (OSError, msgspec.MsgspecError) as wrong:
        said = f"{path.name} is no golden file; write it anew with --update-golden"
        raise CheckError("U-CHECK-GOLDEN", said) from wrong


def save(path: Path, found: Golden) -> None:
    """Write a golden file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def differences(old: Golden, new: Golden) -> Iterator[Difference]:
    """Yield what differs, features first."""
    if old.error or new.error:
        if old.error != new.error:
            yield Difference("the whole sample", old.error or "read", new.error or "read")
        return
    yield from _tables("", old.features, new.features)
    yield from _tables("list of ", old.lists, new.lists)
    for what in ("medications", "problems", "allergies"):
        yield from _listed(what, getattr(old, what), getattr(new, what))
    counts = [{name: str(count) for name, count in one.refused.items()} for one in (old, new)]
    yield from _tables("left out: ", counts[0], counts[1])


def _tables(prefix: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Difference(f"{prefix}{name}", old.get(name, ""), new.get(name, ""))


def _listed(what: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Difference]:
    lost, more = list(old), list[str]()
    for one in new:
        if one in lost:
            lost.remove(one)
        else:
            more.append(one)
    if lost or more:
        yield Difference(what, "; ".join(lost), "; ".join(more))


def _says(one: Feature) -> bool:
    return one.status != "missing" or one.reason != "not-recorded"


def _course(one: MedicationCourse) -> str:
    drug = " + ".join(one.ingredients) or f"not resolved ({one.unresolved})"
    dose = f" {one.dose_mg_per_day:g} mg/d" if one.dose_mg_per_day is not None else ""
    return f"{drug}{dose}, {one.taking}"


def shown(one: Any) -> str:
    """Return a side of a difference, a dash for nothing."""
    return str(one) or "–"
