"""Quantities in the canonical unit of their analyte, or a named refusal: never a number in an unknown unit."""

from dataclasses import dataclass

from fhir_adapters import wire
from fhir_adapters.profile import Profile


@dataclass(frozen=True, slots=True)
class UnitRefusal:
    """Why a quantity has no canonical value.

    ``reason`` is one of ``unit-missing``, ``unit-unknown``, ``unit-conflicting``, ``value-implausible``,
    ``analyte-unknown``.
    """

    reason: str


def convert(value: float, unit: wire.Quantity, key: str, profile: Profile) -> float | UnitRefusal:
    """Return ``value`` in the canonical UCUM unit of the analyte ``key`` (terminology ``analytes[key].unit``).

    ``unit`` is the Quantity that holds unit, system and code.
    """
    raise NotImplementedError
