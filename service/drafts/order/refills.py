"""The supply of an edited draft: what was left as it stood, while what it rests on changed, is worked out again.

Thirty tablets for thirty days are fifteen days of the doubled dose. A quantity follows dose and days; the days
follow a quantity that the signer wrote. What cannot be worked out is left out, and the signer is told.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from service.drafts.order import dosages, quantities
from service.errors import Unprocessable

# Days in a unit of UCUM (ucum.org, customary units of time).
_DAYS: Final[Mapping[str, Decimal]] = {"d": Decimal(1), "wk": Decimal(7), "mo": Decimal("30.4375"), "a": Decimal(366)}
_EXACT: Final = Decimal("0.000001")
# No supply of anything: a count above it is not worked out.
_MOST: Final = Decimal(1_000_000)
_QUANTITY, _DURATION = "quantity", "expectedSupplyDuration"


def refilled(
    before: Mapping[str, Any], after: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return ``dispenseRequest`` of ``after`` in keeping with its dose; None where there is none.

    ``before`` is the draft as it stood; ``context`` is the draft's, with the strength of one unit; ``drafted`` is what
    was drafted of it, with the unit that is counted in.
    """
    was, supply = (dosages.mapping(one.get("dispenseRequest")) for one in (before, after))
    dosed = _used(before) is None or _used(before) != _used(after)
    kept = {name for name in (_QUANTITY, _DURATION) if name in supply and supply[name] == was.get(name)}
    found = dict(supply)
    if _QUANTITY in kept and (dosed or (_DURATION in supply and _DURATION not in kept)):
        counts = counted(supply, context, drafted) is not None
        _replace(found, _QUANTITY, units(after, context, days(supply)) if counts else None)
    elif _DURATION in kept and _QUANTITY in supply and _QUANTITY not in kept:
        _last(found, after, context, drafted)
    return found or None


def units(resource: Mapping[str, Any], context: Mapping[str, Any], for_days: Decimal | None) -> int | None:
    """Return how many units of the product so many days take, rounded up; None where that cannot be worked out."""
    used, strength = _used(resource), strength_mg(context)
    if used is None or strength is None or for_days is None:
        return None
    return _whole(used * for_days / strength, ROUND_CEILING)


def counted(supply: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> Decimal | None:
    """Return how many of the drafted unit a quantity is; None for none, for another unit and for a comparator."""
    quantity = dosages.mapping(supply.get(_QUANTITY))
    same = {name: value for name, value in quantity.items() if name != "value"} == unit(context, drafted)
    return number(quantity.get("value")) if same else None


def unit(context: Mapping[str, Any], drafted: Mapping[str, Any]) -> dict[str, Any]:
    """Return unit, system and code that a draft counts in: its quantity's, or its product's where it has none."""
    was = dosages.mapping(dosages.mapping(drafted.get("dispenseRequest")).get(_QUANTITY))
    form = dosages.mapping(context.get("dose")).get("form")
    return {name: value for name, value in was.items() if name != "value"} or {"unit": form or "unit"}


def days(supply: Mapping[str, Any]) -> Decimal | None:
    """Return the stated duration in days, None for none in a unit of time of UCUM, or whose words say another."""
    duration = dosages.mapping(supply.get(_DURATION))
    length = _DAYS.get(str(duration.get("code"))) if quantities.is_time(duration) else None
    value = number(duration.get("value"))
    return None if length is None or value is None else value * length


def strength_mg(context: Mapping[str, Any]) -> Decimal | None:
    """Return the strength of one unit of the drafted product, None where the draft does not say."""
    return number(dosages.mapping(context.get("dose")).get("strength_mg"))


def number(value: object) -> Decimal | None:
    """Return a number above zero, None for anything else."""
    try:
        return quantities.positive(value, "supply")
    except Unprocessable:
        return None


def _used(resource: Mapping[str, Any]) -> Decimal | None:
    try:
        return dosages.mean_mg_per_day(resource.get("dosageInstruction"))
    except Unprocessable:
        return None


def _last(
    found: dict[str, Any], resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]
) -> None:
    """Make the days those that the signer's quantity lasts."""
    used, strength, held = _used(resource), strength_mg(context), counted(found, context, drafted)
    duration = dosages.mapping(found[_DURATION])
    length = _DAYS.get(str(duration.get("code"))) if quantities.is_time(duration) else None
    if used is None or strength is None or held is None or length is None:
        del found[_DURATION]
        return
    _replace(found, _DURATION, _whole(held * strength / used / length, ROUND_FLOOR) or None)


def _whole(count: Decimal, rounding: str) -> int | None:
    """Round a count, but not over what is left of a division: a week's seventh times seven is one."""
    return int(count.quantize(_EXACT).to_integral_value(rounding)) if count < _MOST else None


def _replace(found: dict[str, Any], name: str, value: int | None) -> None:
    if value is None:
        del found[name]
    else:
        found[name] = {**dosages.mapping(found[name]), "value": value}
