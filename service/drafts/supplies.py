"""What an order lets be dispensed: in words, and what of it a signer must have read.

After a positive suicide screen drugs are dispensed for a few days at a time, and every first supply ends at a
review; a signer may ask for more, but not without having read that.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from service.drafts import dosages, refills


def text(supply: Mapping[str, Any] | None) -> str:
    """Return ``dispenseRequest`` in words; what it does not state is said not to be."""
    if not supply:
        return "not stated in this order"
    amounts = [_amount(supply, "quantity", ""), _amount(supply, "expectedSupplyDuration", "for ")]
    repeats = supply.get("numberOfRepeatsAllowed")
    said = "repeats not stated" if repeats is None else f"{repeats} repeats"
    first = f"a first fill of its own, {said}" if "initialFill" in supply else said
    return f"{', '.join(filter(None, amounts)) or 'quantity not stated'}, {first}"


def asked(resource: Mapping[str, Any], context: Mapping[str, Any], drafted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a signer must acknowledge of the supply, empty where it is the draft's own or less.

    ``drafted`` is the resource as it was drafted, as far as a signer may change it.
    """
    points = (raised(resource, context), _above_draft(resource, context, drafted), _unfit(resource, context, drafted))
    return tuple(point for point in points if point is not None)


def raised(resource: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """Return what a signer must acknowledge where more is asked for than the gate's days; None where it is kept.

    ``context`` is the draft's, with ``supply_days`` where a gate limits it. What cannot be shown to keep the limit
    does not.
    """
    limit = context.get("supply_days")
    if limit is None or _within(Decimal(limit), 0, resource, context):
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
    if _within(Decimal(limit["days"]), limit["repeats"], resource, context):
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
    needed = refills.units(resource, context, refills.days(supply))
    held = refills.number(dosages.mapping(supply["quantity"]).get("value"))
    if needed is None or held == needed:
        return None
    return f"Supply: {text(supply)}. At this dose those days take {needed}."


def _amount(supply: Mapping[str, Any], name: str, before: str) -> str:
    found = dosages.mapping(supply.get(name))
    unit = found.get("unit") or found.get("code") or ""
    many = "s" if unit in ("tablet", "capsule") and found.get("value") != 1 else ""
    return f"{before}{found['value']} {unit}{many}".strip() if "value" in found else ""


def _within(limit: Decimal, repeats: int, resource: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    supply = dosages.mapping(resource.get("dispenseRequest"))
    allowed = supply.get("numberOfRepeatsAllowed")
    if "initialFill" in supply or not isinstance(allowed, int) or allowed > repeats:
        return False
    stated = refills.days(supply)
    if stated is None or stated > limit:
        return False
    if "quantity" not in supply:
        return True
    most = refills.units(resource, context, limit)
    held = refills.number(dosages.mapping(supply["quantity"]).get("value"))
    return most is not None and held is not None and held <= most
