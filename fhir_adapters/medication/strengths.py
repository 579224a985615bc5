"""How much of a drug one tablet or one millilitre holds, where a name or a Medication says so, once and plainly."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from fhir_adapters.reading import wire

Per = Literal["unit", "mL"]

# UCUM units of mass and their texts → milligrams.
MILLIGRAMS = {
    **dict.fromkeys(("mg", "milligram", "milligrams", "mgs"), 1.0),
    **dict.fromkeys(("g", "gm", "gram", "grams"), 1000.0),
    **dict.fromkeys(("ug", "mcg", "µg", "μg", "microgram", "micrograms"), 0.001),
}
_MASS = "|".join(sorted(MILLIGRAMS, key=len, reverse=True))
_STRENGTH = re.compile(
    rf"(?<![\d.,])(\d+(?:[.,]\d+)*)\s?({_MASS})(?![a-zµμ])(?:\s?/\s?(\d+(?:\.\d+)?)?\s?([a-z]+))?", re.IGNORECASE
)
_MILLILITRES = frozenset({"ml", "millilitre", "milliliter"})
# One piece, as UCUM, SNOMED CT and EHRs write it.
PIECES = frozenset(
    {"1", "tablet", "tablets", "tab", "tabs", "capsule", "capsules", "cap", "caps", "pill", "pills", "caplet"}
    | {"caplets", "tbl", "tbl.", "ftbl.", "tablette", "tabletten", "tabletter", "kapsel", "kapseln", "ea", "each"}
    | {"{tablet}", "{tbl}", "{capsule}", "{pill}", "{stuk}", "stuk", "tablet (unit of presentation)"}
)


class Strength(NamedTuple):
    """Milligrams in one piece (tablet, capsule) or in one millilitre."""

    mg: float
    per: Per


def agreed(found: Iterable[Strength | None]) -> Strength | None:
    """Return the strength that all sources which tell one agree on; None when they do not, or none tells."""
    told = {one for one in found if one is not None}
    return told.pop() if len(told) == 1 else None


def of_text(text: str) -> Strength | None:
    """Return the one strength in a drug's name; None for several, or one of another kind (per hour, per puff)."""
    found = _STRENGTH.findall(text)
    if len(found) != 1:
        return None
    number, unit, amount, per = found[0]
    mass = number_of(number)
    if mass is None:
        return None
    mg = mass * MILLIGRAMS[unit.lower()]
    if per.lower() in _MILLILITRES:
        return Strength(mg / float(amount or 1), "mL") if float(amount or 1) > 0 else None
    return None if per else Strength(mg, "unit")


def number_of(text: str) -> float | None:
    """Return a number with a decimal point or comma; None where a comma may stand for thousands (1,000)."""
    whole, _, decimals = text.replace(",", ".").partition(".")
    if "." in decimals or ("," in text and len(decimals) == 3):
        return None
    value = float(f"{whole}.{decimals or 0}")
    return value if value > 0 else None


def of_ratio(ratio: wire.Ratio | None) -> Strength | None:
    """Return Medication.ingredient.strength: a mass in one piece, or in a volume."""
    above, below = (ratio.numerator, ratio.denominator) if ratio else (None, None)
    mass = milligrams(above)
    if mass is None:
        return None
    if below is None or below.value is None:
        return Strength(mass, "unit") if below is None else None
    name = unit_of(below)
    if below.value <= 0 or below.comparator:
        return None
    if name in _MILLILITRES:
        return Strength(mass / below.value, "mL")
    return Strength(mass / below.value, "unit") if name in PIECES or not name else None


def milligrams(quantity: wire.Quantity | None) -> float | None:
    """Return a mass in milligrams; None for anything else, for zero and for bounds."""
    if quantity is None or quantity.value is None or quantity.comparator or quantity.value <= 0:
        return None
    factor = MILLIGRAMS.get(unit_of(quantity))
    return None if factor is None else quantity.value * factor


def unit_of(quantity: wire.Quantity) -> str:
    """Return the unit as written, in small letters: the code of UCUM, else the text, which says more."""
    coded = (quantity.code or "").strip().lower()
    if coded in MILLIGRAMS or coded in _MILLILITRES:
        return coded
    return (quantity.unit or "").strip().lower() or coded


def in_pieces(quantity: wire.Quantity) -> Per | None:
    """Return ``unit`` for tablets and capsules, ``mL`` for millilitres, None for anything else."""
    name = unit_of(quantity)
    return "mL" if name in _MILLILITRES else "unit" if name in PIECES else None
