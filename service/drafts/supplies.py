"""What an order lets be dispensed: in words, and whether it keeps to the days that a gate limits it to.

After a positive suicide screen drugs are dispensed for a few days at a time; a signer may ask for more, but not
without having read that.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from service.drafts import dosages
from service.errors import Unprocessable

# Days in a unit of UCUM (ucum.org, customary units of time).
_DAYS: Final[Mapping[str, Decimal]] = {"d": Decimal(1), "wk": Decimal(7), "mo": Decimal("30.4375"), "a": Decimal(366)}


def text(supply: Mapping[str, Any] | None) -> str:
    """Return ``dispenseRequest`` in words; what it does not state is said not to be."""
    if not supply:
        return "not stated in this order"
    amounts = [_amount(supply, "quantity", ""), _amount(supply, "expectedSupplyDuration", "for ")]
    repeats = supply.get("numberOfRepeatsAllowed")
    said = "repeats not stated" if repeats is None else f"{repeats} repeats"
    first = f"a first fill of its own, {said}" if "initialFill" in supply else said
    return f"{', '.join(filter(None, amounts)) or 'quantity not stated'}, {first}"


def raised(resource: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """Return what a signer must acknowledge where more is asked for than the gate's days; None where it is kept.

    ``context`` is the draft's, with ``supply_days`` where a gate limits it. What cannot be shown to keep the limit
    does not.
    """
    limit = context.get("supply_days")
    if limit is None:
        return None
    supply = dosages.mapping(resource.get("dispenseRequest"))
    if _within(supply, Decimal(limit), resource, context):
        return None
    return (
        f"Supply: {text(supply)}. After a positive suicide screen at most {limit} days at a time, without repeats, "
        "are asked for."
    )


def _amount(supply: Mapping[str, Any], name: str, before: str) -> str:
    found = dosages.mapping(supply.get(name))
    unit = found.get("unit") or found.get("code") or ""
    return f"{before}{found['value']} {unit}".strip() if "value" in found else ""


def _within(supply: Mapping[str, Any], limit: Decimal, resource: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    if "initialFill" in supply or supply.get("numberOfRepeatsAllowed") != 0:
        return False
    duration = dosages.mapping(supply.get("expectedSupplyDuration"))
    days = _number(duration.get("value"))
    unit = _DAYS.get(str(duration.get("code"))) if duration.get("system") == dosages.UCUM else None
    if days is None or unit is None or days * unit > limit:
        return False
    return "quantity" not in supply or _lasts(dosages.mapping(supply["quantity"]), resource, context) <= limit


def _lasts(quantity: Mapping[str, Any], resource: Mapping[str, Any], context: Mapping[str, Any]) -> Decimal:
    """Return for how many days a quantity of units of the product lasts; endless where that cannot be said."""
    strength = _number(dosages.mapping(context.get("dose")).get("strength_mg"))
    units = _number(quantity.get("value"))
    try:
        daily = dosages.mg_per_day(resource.get("dosageInstruction"))
    except Unprocessable:
        return Decimal("Infinity")
    return Decimal("Infinity") if strength is None or units is None else units * strength / daily


def _number(value: object) -> Decimal | None:
    try:
        return dosages.positive(value, "supply")
    except Unprocessable:
        return None
