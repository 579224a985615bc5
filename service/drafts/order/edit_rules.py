"""The rules again, over the bytes that would be signed: dose, single doses, supply, dates.

A draft keeps the bounds that its patient's chart gave it (``Dose.bounds``), so an edit is judged by the same chart
without reading it again; a chart that changes gives other facts and supersedes the draft. What blocks is refused with
the rule and its source; the rest is to be acknowledged. Refusals hold no chart value: those stand on the page.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec

from fhir_adapters import dates
from recommender.assessment import Bounds, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.dose import dose_check
from recommender.dose.dose_check import Ordered
from recommender.drafts import RXNORM
from service.drafts.canonical_json import load_object
from service.drafts.order import differences, dosages, supplies
from service.drafts.records import Draft
from service.errors import Conflict, Unprocessable

_DOSAGE, _SUPPLY = "dosageInstruction", "dispenseRequest"
_CODES: Final[Mapping[str, str]] = {"DOSE-UNITS": "U-ORDER-DOSE-UNITS", "DOSE-VALUE": "U-ORDER-DOSE"}


def judged(draft: Draft, resource: bytes, knowledge: Knowledge, today: date) -> tuple[str, ...]:
    """Return what a signer must acknowledge of an order as edited; empty for one as drafted.

    ``today`` is the site's day. Unprocessable: U-ORDER-DOSE, -DOSE-CEILING, -DOSE-UNITS, -DATES, -INCOMPLETE;
    Conflict U-DRAFT-RULES where the rules have changed since the draft was worked out.
    """
    order, before = load_object(resource), differences.drafted(draft)
    context = load_object(draft.context)
    edited = [name for name in (_DOSAGE, _SUPPLY) if before is None or differences.changed(before, order, name)]
    if not edited:
        return supplies.asked(order, context, order)
    check_rules(draft, knowledge)
    dose = _of_dose(order, context, knowledge) if _DOSAGE in edited else ()
    return (*dose, *supplies.asked(order, context, before or {}), *_of_dates(order, draft, today))


def check_rules(draft: Draft, knowledge: Knowledge) -> None:
    """Refuse a draft that was worked out by other rules than these, edited or not: Conflict U-DRAFT-RULES."""
    version = dosages.mapping(load_object(draft.context).get("versions")).get("knowledge")
    if version is not None and version != knowledge.version:
        msg = "The rules have changed since this draft was worked out; open the chart again for a new draft."
        raise Conflict("U-DRAFT-RULES", msg)


def _of_dose(order: Mapping[str, Any], context: Mapping[str, Any], knowledge: Knowledge) -> tuple[str, ...]:
    dosages.check(order.get(_DOSAGE))
    held = bounds(context)
    if held is None:
        raise Unprocessable(
            "U-ORDER-DOSE-CEILING",
            "The highest dose for this patient is not known here; sign the dose as drafted, or reject it.",
        )
    found = dose_check.judge(_ordered(order, held.drug, knowledge), held, knowledge)
    for one in found:
        if one.blocks:
            raise _refused(one, held)
    return tuple(f"{one.message} Source: {_source(one)}." for one in found)


def bounds(context: Mapping[str, Any]) -> Bounds | None:
    """Return what any dose is judged by in a draft's patient, None where the draft's context does not say."""
    found = dosages.mapping(context.get("dose")).get("bounds")
    return None if found is None else msgspec.convert(found, Bounds, strict=False)


def _ordered(order: Mapping[str, Any], drug: str, knowledge: Knowledge) -> Ordered:
    dosage = order.get(_DOSAGE)
    return Ordered(
        mg_per_day=float(dosages.mg_per_day(dosage)),
        first_mg_per_day=float(dosages.first_mg_per_day(dosage)),
        each_mg=tuple(map(float, dosages.single_doses_mg(dosage))),
        per_day=tuple(map(float, dosages.times_a_day(dosage))),
        as_needed=dosages.as_needed(dosage),
        product=_product(order, drug, knowledge),
    )


def _product(order: Mapping[str, Any], drug: str, knowledge: Knowledge) -> str:
    """Return the code of the product that is ordered; one that is not known here is judged as such."""
    codings = dosages.sequence(dosages.mapping(order.get("medicationCodeableConcept")).get("coding"))
    codes = [str(one.get("code")) for one in map(dosages.mapping, codings) if one.get("system") == RXNORM]
    return next((code for code in codes if dose_check.product_of(drug, code, knowledge)), "")


def _refused(found: Reason, bounds: Bounds) -> Unprocessable:
    if found.rule == "DOSE-CEILING":
        rule = "the formulary" if bounds.ceiling.rule == "FORMULARY" else f"rule {bounds.ceiling.rule}"
        text = f"The dose is above {bounds.ceiling.mg:g} mg a day, the highest for this patient by {rule}"
    elif found.rule == "DOSE-UNITS":
        text = "The dose is no number of whole units of the drafted product, nor of halves where it may be split"
    else:
        text = "The dose is no amount"
    code = _CODES.get(found.rule, "U-ORDER-DOSE-CEILING")
    return Unprocessable(code, f"{text} (source: {_source(found)}); change it, or reject the draft.")


def _source(found: Reason) -> str:
    return found.source if found.verified else f"{found.source}, not verified"


def _of_dates(order: Mapping[str, Any], draft: Draft, today: date) -> Iterator[str]:
    """Yield what to acknowledge of the dates; refuse those that nobody could follow: U-ORDER-DATES."""
    periods = [dosages.mapping(order.get(_SUPPLY)).get("validityPeriod")]
    for one in map(dosages.mapping, dosages.sequence(order.get(_DOSAGE))):
        periods.append(dosages.mapping(dosages.mapping(one.get("timing")).get("repeat")).get("boundsPeriod"))
    for period in filter(None, map(dosages.mapping, periods)):
        start, end = _day(period, "start"), _day(period, "end")
        if end is not None and (end.last < today or (start is not None and end.last < start.first)):
            raise Unprocessable("U-ORDER-DATES", "The order ends before it begins, or before today; change its dates.")
        if start is not None and start.last < today:
            yield "Dates: the order begins before today."
        if start is not None and start.first > draft.expires.date():
            yield "Dates: the order begins after the time for which this draft's facts are held."


def _day(period: Mapping[str, Any], name: str) -> dates.PartialDate | None:
    text = period.get(name)
    found = dates.parse(text) if isinstance(text, str) else None
    if text is not None and found is None:
        raise Unprocessable("U-ORDER-DATES", f"The {name} of a period in this order is no date; change it.")
    return found
