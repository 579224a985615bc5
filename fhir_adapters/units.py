"""Quantities in the canonical unit of their analyte, or a named refusal: never a number in an unknown unit.

Which units an analyte may come in, and their factors, are rows of ``terminology/analytes.csv``; how an EHR
writes a unit that is no UCUM is in its profile.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from fhir_adapters import terminology, wire
from fhir_adapters.coding import UCUM, canonical_system
from fhir_adapters.profile import Profile, unit_text

# UCUM §12: text in braces has no meaning for the unit; alone it stands for the unity.
_ANNOTATION = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class UnitRefusal:
    """Why a quantity has no canonical value.

    ``reason`` is one of ``unit-missing``, ``unit-unknown``, ``unit-conflicting``, ``value-implausible``,
    ``analyte-unknown``.
    """

    reason: str


def convert(value: float, unit: wire.Quantity, key: str, profile: Profile) -> float | UnitRefusal:
    """Return ``value`` in the canonical UCUM unit of the analyte ``key``.

    ``unit`` is the Quantity that holds unit, system and code. The UCUM code counts first, then the unit text;
    two that name different units are refused, as is a result outside the analyte's plausible bounds.
    """
    analyte = terminology.load().analytes.get(key)
    if analyte is None or not analyte.factors:
        return UnitRefusal("analyte-unknown")
    found = _conversion(analyte, unit, profile)
    if isinstance(found, UnitRefusal):
        return found
    factor, offset = found
    result = factor * value + offset
    low, high = analyte.low, analyte.high
    if (low is not None and result < low) or (high is not None and result > high):
        return UnitRefusal("value-implausible")
    return result


def _conversion(
    analyte: terminology.Analyte, unit: wire.Quantity, profile: Profile
) -> tuple[float, float] | UnitRefusal:
    system = canonical_system(unit.system, profile)
    code = unit.code.strip() if unit.code and system in (UCUM, None) else ""
    text = unit.unit.strip() if unit.unit else ""
    if not (code or text):
        return UnitRefusal("unit-missing")
    by_code = _factors(analyte, code, profile) if code else None
    by_text = by_code if text == code else _factors(analyte, text, profile) if text else None
    if code and by_code is None:
        return UnitRefusal("unit-unknown")
    if by_code and by_text and by_code != by_text:
        return UnitRefusal("unit-conflicting")
    return by_code or by_text or UnitRefusal("unit-unknown")


def _factors(analyte: terminology.Analyte, written: str, profile: Profile) -> tuple[float, float] | None:
    exact = analyte.factors.get(written)
    if exact is not None:
        return exact
    known = _spellings(analyte.key)
    text = unit_text(written)
    alias = profile.units.get(analyte.key, {}).get(text) or profile.units.get("any", {}).get(text)
    return known.get(_plain(text)) or (known.get(_plain(alias)) if alias else None)


@lru_cache(maxsize=256)
def _spellings(key: str) -> dict[str, tuple[float, float]]:
    factors = terminology.load().analytes[key].factors
    return {_plain(unit): conversion for unit, conversion in factors.items()}


def _plain(unit: str) -> str:
    """UCUM without annotations and in small letters: within one analyte no two units differ by case alone."""
    return _ANNOTATION.sub("", unit).strip().lower() or "1"
