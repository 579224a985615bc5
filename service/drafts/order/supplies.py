"""What an order lets be dispensed: in words, and what of it a signer must have read.

After a positive suicide screen drugs are dispensed for a few days at a time, and every first supply ends at a
review; a signer may ask for more, but not without having read that.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from service.drafts.order import dosages, quantities, refills

_FORMS: Final = ("tablet", "capsule", "unit")


def text(supply: Mapping[str, Any] | None) -> str:
    """Return ``dispenseRequest`` in words, with every element of it that an order may have.

    What it does not state is said not to be.
    """
    if not supply:
        return "not stated in this order"
    quantity, duration = (dosages.mapping(supply.get(name)) for name in ("quantity", "expectedSupplyDuration"))
    amounts = [_quantity(quantity), f"for {quantities.amount(duration)}" if "value" in duration else ""]
    repeats = supply.get("numberOfRepeatsAllowed")
    said = "repeats not stated" if repeats is None else f"{repeats} repeats"
    stated = ", ".join(filter(None, amounts)) or "quantity not stated"
    return ", ".join([stated, said, *_valid(dosages.mapping(supply.get("validityPeriod")))])


def asked(resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a signer must acknowledge of the supply, empty where it is the draft's own or less.

    ``drafted`` is the resource as it was drafted, as far as a signer may change it.
    """
    found = (check(resource, context, drafted) for check in (raised, _above_draft, _unfit))
    return tuple(point for point in found if point is not None)


def raised(resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> str | None:
    """Return what a signer must acknowledge where more is asked for than the gate's days; None where it is kept.

    ``context`` is the draft's, with ``supply_days`` where a gate limits it. What cannot be shown to keep the limit
    does not: a quantity in another unit than the draft's, for one.
    """
    limit = context.get("supply_days")
    if limit is None or _within(Decimal(limit), 0, resource, context, drafted):
        return None
    return (
        f"Supply: {text(dosages.mapping(resource.get('dispenseRequest')))}. After a positive suicide screen at most "
        f"{limit} days at a time, without repeats, are asked for."
    )


def _above_draft(resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> str | None:
    """Return that more is asked for than the rows of supply let a draft ask for; the gate's own limit speaks first."""
    limit, supply = dosages.mapping(context.get("supply")), dosages.mapping(resource.get("dispenseRequest"))
    if not limit or context.get("supply_days") is not None or supply == dosages.mapping(drafted.get("dispenseRequest")):
        return None
    if _within(Decimal(limit["days"]), limit["repeats"], resource, context, drafted):
        return None
    named = ", ".join((*limit.get("rules", ()), *filter(None, [limit.get("source")])))
    most = f"{limit['days']} days at a time, {limit['repeats']} repeats"
    return f"Supply: {text(supply)}. The draft's rules ask for at most {most}{f' ({named})' if named else ''}."


def _unfit(resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> str | None:
    """Return that the quantity does not fit dose and days, or that it was left out because it cannot be counted."""
    supply, before = dosages.mapping(resource.get("dispenseRequest")), dosages.mapping(drafted.get("dispenseRequest"))
    if supply == before and resource.get("dosageInstruction") == drafted.get("dosageInstruction"):
        return None
    if "quantity" not in supply:
        return f"Supply: {text(supply)}. The draft had a quantity." if "quantity" in before else None
    held, needed = refills.counted(supply, context, drafted), refills.units(resource, context, refills.days(supply))
    if held is None:
        # Where a limit speaks, it has said so: what is in another unit cannot be shown to keep it.
        limited = context.get("supply_days") is not None or context.get("supply")
        return None if limited else f"Supply: {text(supply)}. The draft's quantity is in another unit."
    if needed is None or held == needed:
        return None
    return f"Supply: {text(supply)}. At this dose those days take {needed}."


def _quantity(quantity: Mapping[str, Any]) -> str:
    if "value" not in quantity:
        return ""
    unit = str(quantity.get("unit", ""))
    # Any other unit is a signer's own words.
    named = f"{unit}{'s' if quantity['value'] != 1 else ''}" if unit in _FORMS else ""
    said = named or (quantities.quoted(unit) if unit else "")
    coded = " of ".join(str(quantity[name]) for name in ("code", "system") if name in quantity)
    return " ".join(filter(None, [quantities.figures(quantity["value"]), said, f"({coded})" if coded else ""]))


def _valid(period: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"valid {name} {period[key]}" for name, key in (("from", "start"), ("until", "end")) if key in period)


def _within(
    limit: Decimal, repeats: int, resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]
) -> bool:
    supply = dosages.mapping(resource.get("dispenseRequest"))
    allowed = supply.get("numberOfRepeatsAllowed")
    if not isinstance(allowed, int) or allowed > repeats:
        return False
    stated = refills.days(supply)
    if stated is None or stated > limit:
        return False
    if "quantity" not in supply:
        return True
    most, held = refills.units(resource, context, limit), refills.counted(supply, context, drafted)
    return most is not None and held is not None and held <= most
