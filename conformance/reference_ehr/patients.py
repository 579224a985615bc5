"""The synthetic people of the reference EHR, read from ``data`` with dates relative to a given day.

A date is kept as an offset, ``@-19d`` or ``@-19dT09:00:00Z``, so that a record never grows stale.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.refusals import Json

_OFFSET = re.compile(r"^@([+-]\d+)d(T.*)?$")


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic patient: what the record is for (``expects``) and its resources, the Patient first."""

    id: str
    note: str
    expects: str
    resources: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """One login; ``fhir_user`` is the Practitioner behind it, ``role`` says in words who that is."""

    username: str
    display: str
    role: str
    fhir_user: str


@dataclass(frozen=True, slots=True)
class Staff:
    """The hospital's people: accounts and the resources behind them."""

    accounts: tuple[Account, ...]
    resources: tuple[Json, ...]


def load(day: date) -> tuple[Person, ...]:
    """Return the synthetic patients as they are on ``day``, by id."""
    return tuple(
        Person(name.removesuffix(".json"), data["note"], data["expects"], tuple(data["resources"]))
        for name, data in _files(day)
        if name != "practitioners.json"
    )


def load_staff(day: date) -> Staff:
    """Return the synthetic practitioners as they are on ``day``."""
    data = dict(_files(day))["practitioners.json"]
    accounts = tuple(Account(a["username"], a["display"], a["role"], a["fhirUser"]) for a in data["accounts"])
    return Staff(accounts, tuple(data["resources"]))


def _files(day: date) -> Iterator[tuple[str, Json]]:
    folder = resources.files("conformance.reference_ehr").joinpath("data")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            raw = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
            yield file.name, _resolve(raw, day)


def _resolve(value: Any, day: date) -> Any:
    if is_object(value):
        return {key: _resolve(inner, day) for key, inner in value.items()}
    if is_list(value):
        return [_resolve(inner, day) for inner in value]
    match = _OFFSET.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    return (day + timedelta(days=int(match[1]))).isoformat() + (match[2] or "")
