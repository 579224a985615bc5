"""Observations: their values, and those of their components, in a dialect's units."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.elements import LOINC, UCUM, Resource, code_in, present

_EXACT = Decimal("0.000001")


def each_value(observation: Resource, change: Callable[[Resource], Resource]) -> Resource:
    """Return the Observation with ``change`` made to itself and to its components."""
    changed = change(observation)
    if "component" not in changed:
        return changed
    return {**changed, "component": [change(one) for one in changed["component"]]}


def in_units_of(dialect: str) -> Callable[[Resource], Resource]:
    """Return the change that writes a value's Quantity in the dialect's unit (tables/units.csv)."""

    def change(value: Resource) -> Resource:
        quantity = value.get("valueQuantity")
        if not quantity:
            return value
        found = tables.unit(dialect, code_in(value.get("code"), LOINC), quantity.get("code"))
        return value if found is None else {**value, "valueQuantity": _converted(quantity, found)}

    return change


def text_units(value: Resource) -> Resource:
    """Return a value whose Quantity has its unit as plain text only."""
    quantity = value.get("valueQuantity")
    if not quantity:
        return value
    plain = {name: part for name, part in quantity.items() if name not in ("system", "code")}
    return {**value, "valueQuantity": {**plain, **present({"unit": quantity.get("unit") or quantity.get("code")})}}


def _converted(quantity: Resource, unit: tables.Unit) -> Resource:
    """Return the quantity in another unit, to six decimals: the dialects do not round, so no value is lost."""
    value = quantity["value"]
    if (unit.factor, unit.offset) != (1, 0):
        exact = (Decimal(str(value)) * unit.factor + unit.offset).quantize(_EXACT, ROUND_HALF_EVEN)
        value = exact.normalize() if exact != exact.to_integral_value() else exact.to_integral_value()
        value = value if isinstance(quantity["value"], Decimal) else float(value)
    kept = {name: part for name, part in quantity.items() if name not in ("value", "unit", "system", "code")}
    system = UCUM if unit.code else None
    return present({**kept, "value": value, "unit": unit.unit, "system": system, "code": unit.code})
