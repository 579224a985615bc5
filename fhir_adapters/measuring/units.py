"""Quantities in the canonical unit of their analyte, or a named refusal: never a number in an unknown unit.

Which units an analyte may come in, and their factors, are rows of ``terminology/analytes.csv``; how units are
misspelt everywhere is in ``unit_names``, how one EHR writes a unit that is no UCUM in its profile.
"""

from dataclasses import dataclass
from functools import lru_cache

from fhir_adapters.dialect.coding import UCUM, canonical_system
from fhir_adapters.dialect.profile import Profile, unit_text
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import Analyte
from fhir_adapters.measuring.unit_names import plain
from fhir_adapters.reading import wire

_LONGEST = 64  # characters of a unit that is remembered; UCUM codes are shorter
_NONE = Analyte("", "", "panel", None, {}, None, None)
Conversion = tuple[float, float]


@dataclass(frozen=True, slots=True)
class UnitRefusal:
    """Why a quantity has no canonical value.

    ``reason`` is one of ``unit-missing``, ``unit-unknown``, ``unit-conflicting``, ``unit-not-convertible`` (the
    unit is known, and its factor depends on the assay), ``value-implausible``, ``analyte-unknown``.
    """

    reason: str


def convert(value: float, unit: wire.Quantity, key: str, profile: Profile) -> float | UnitRefusal:
    """Return ``value`` in the canonical UCUM unit of the analyte ``key``.

    ``unit`` is the Quantity that holds unit, system and code. The UCUM code counts first, then the unit text;
    two that name different units are refused, as is a result outside the analyte's plausible bounds.
    """
    analyte = observation_tables.load().analytes.get(key, _NONE)
    if not analyte.factors:
        return UnitRefusal("analyte-unknown")
    result = value
    if not (unit.code == analyte.unit == (unit.unit or unit.code) and unit.system == UCUM):
        found = _conversion(key, unit, profile)
        if isinstance(found, UnitRefusal):
            return found
        result = found[0] * value + found[1]
    low, high = analyte.low, analyte.high
    if (low is not None and result < low) or (high is not None and result > high):
        return UnitRefusal("value-implausible")
    return result


def _conversion(key: str, unit: wire.Quantity, profile: Profile) -> Conversion | UnitRefusal:
    if len(unit.unit or "") + len(unit.code or "") + len(unit.system or "") > _LONGEST:
        return _conversion_of(key, unit.system, unit.code, unit.unit, profile)
    return _remembered(key, unit.system, unit.code, unit.unit, profile)


def _conversion_of(
    key: str, system: str | None, code: str | None, text: str | None, profile: Profile
) -> Conversion | UnitRefusal:
    code = code.strip() if code and canonical_system(system, profile) in (UCUM, None) else ""
    text = text.strip() if text else ""
    if not (code or text):
        # A ratio or a count is written without a unit; any other number without one is refused.
        return _spellings(key).get("1") or UnitRefusal("unit-missing")
    by_code = _factors(key, code, profile) if code else None
    by_text = by_code if text == code else _factors(key, text, profile) if text else None
    if isinstance(by_code, UnitRefusal) or (code and by_code is None):
        return by_code or UnitRefusal("unit-unknown")
    if isinstance(by_text, UnitRefusal):
        return by_text
    if by_code and by_text and by_code != by_text:
        return UnitRefusal("unit-conflicting")
    return by_code or by_text or UnitRefusal("unit-unknown")


_remembered = lru_cache(maxsize=4096)(_conversion_of)


def _factors(key: str, written: str, profile: Profile) -> Conversion | UnitRefusal | None:
    """Return the conversion of a unit as written: as UCUM has it, as the profile, as everyone misspells it."""
    exact = observation_tables.load().analytes[key].factors.get(written)
    if exact is not None:
        return exact
    known = _spellings(key)
    text = unit_text(written)
    alias = profile.units.get(key, {}).get(text) or profile.units.get("any", {}).get(text)
    return (known.get(plain(alias)) if alias else None) or known.get(plain(written))


@lru_cache(maxsize=256)
def _spellings(key: str) -> dict[str, Conversion | UnitRefusal]:
    analyte = observation_tables.load().analytes[key]
    refused = {plain(unit): UnitRefusal("unit-not-convertible") for unit in analyte.unconvertible}
    return {**refused, **{plain(unit): conversion for unit, conversion in analyte.factors.items()}}
