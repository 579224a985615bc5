"""The form for what a signer may change in a draft: the dose, how often, the supply, the dates, a note.

It holds one instruction with one dose a fixed number of times a day, as drafts have it; any other shape is edited
where it was made.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import differences, dosages, order_elements, quantities, refills
from service.drafts.records import Draft
from service.errors import BadRequest
from service.web import forms
from service.web.forms import Form
from service.web.words import said

_NUMBER = re.compile(r"\d{1,5}(\.\d{1,3})?")
_COUNT = re.compile(r"\d{1,3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AMOUNT = ("value", "unit", "system", "code")
_DOSAGE = frozenset(
    {"text", "route.text", "route.coding.system", "route.coding.code", "route.coding.display"}
    | {
        f"timing.repeat.{name}"
        for name in ("frequency", "period", "periodUnit", "boundsPeriod.start", "boundsPeriod.end")
    }
    | {f"doseAndRate.doseQuantity.{name}" for name in _AMOUNT}
)
_SUPPLY = frozenset(
    {"numberOfRepeatsAllowed"}
    | {f"{name}.{part}" for name in ("quantity", "expectedSupplyDuration") for part in _AMOUNT}
)
TIMES = {1: "once a day", 2: "twice a day", 3: "three times a day", 4: "four times a day"}


@dataclass(frozen=True, slots=True)
class Fields:
    """What the form shows, each as it is written in its field; ``product`` and ``limits`` are for reading."""

    product: str
    limits: tuple[str, ...]
    each_mg: str
    times: str
    days: str
    quantity: str
    repeats: str
    start: str
    end: str
    note: str


def fields(draft: Draft) -> Fields | None:
    """Return the draft as the form holds it, None where it is of another shape."""
    resource = load_object(draft.resource)
    found = dosages.sequence(resource.get("dosageInstruction"))
    dosage, supply = dosages.mapping(found[0] if found else None), dosages.mapping(resource.get("dispenseRequest"))
    if len(found) != 1 or not _is_daily(dosage) or not _is_counted_in_days(supply):
        return None
    repeat, dose = _repeat(dosage), _quantity(dosage)
    period = dosages.mapping(repeat.get("boundsPeriod"))
    return Fields(
        product=str(resource["medicationCodeableConcept"]["text"]),
        limits=_limits(load_object(draft.context)),
        each_mg=str(dose.get("value", "")),
        times=str(repeat.get("frequency", "")),
        days=str(dosages.mapping(supply.get("expectedSupplyDuration")).get("value", "")),
        quantity=str(dosages.mapping(supply.get("quantity")).get("value", "")),
        repeats=str(supply.get("numberOfRepeatsAllowed", "")),
        start=str(period.get("start", "")),
        end=str(period.get("end", "")),
        note="",
    )


def given(form: Form, shown: Fields) -> Fields:
    """Return the form as it was sent, for showing it again."""
    names = ("each_mg", "times", "days", "quantity", "repeats", "start", "end", "note")
    return Fields(shown.product, shown.limits, *(forms.one(form, name) for name in names))


def edited(draft: Draft, sent: Fields) -> bytes:
    """Return the draft's resource with what was sent; BadRequest U-REQUEST for what is no number or no day.

    What was left as it stood is left so: the quantity then follows dose and days.
    """
    resource = load_object(draft.resource)
    dosage = resource["dosageInstruction"][0]
    dosage["doseAndRate"][0]["doseQuantity"]["value"] = _number(sent.each_mg, "dose")
    dosage["timing"]["repeat"]["frequency"] = _count(sent.times, "number of doses a day")
    period = {name: _day(text) for name, text in (("start", sent.start), ("end", sent.end)) if text}
    dosage["timing"]["repeat"].pop("boundsPeriod", None)
    dosage["timing"]["repeat"] |= {"boundsPeriod": period} if period else {}
    _supply(resource, sent, refills.unit(load_object(draft.context), differences.drafted(draft) or {}))
    if sent.note:
        resource["note"] = [*resource.get("note", []), {"text": sent.note}]
    return dumps(resource)


def _is_daily(dosage: Mapping[str, Any]) -> bool:
    """Say whether the form has a field for each element of a dosage."""
    repeat, paths = _repeat(dosage), {path for path, _ in order_elements.leaves(dosage)}
    daily = (repeat.get("period"), repeat.get("periodUnit"), _quantity(dosage).get("code")) == (1, "d", "mg")
    return daily and repeat.get("frequency") in TIMES and paths <= _DOSAGE


def _is_counted_in_days(supply: Mapping[str, Any]) -> bool:
    """Say whether the form has a field for each element of a supply, or there is none."""
    duration, paths = (
        dosages.mapping(supply.get("expectedSupplyDuration")),
        {p for p, _ in order_elements.leaves(supply)},
    )
    return not supply or (paths <= _SUPPLY and duration.get("code", "d") == "d")


def _supply(resource: dict[str, Any], sent: Fields, unit: Mapping[str, Any]) -> None:
    supply = dict(dosages.mapping(resource.get("dispenseRequest")))
    _amount(supply, "quantity", sent.quantity, unit)
    _amount(supply, "expectedSupplyDuration", sent.days, {"unit": "days", "system": quantities.UCUM, "code": "d"})
    supply.pop("numberOfRepeatsAllowed", None)
    if sent.repeats:
        supply["numberOfRepeatsAllowed"] = _count(sent.repeats, "number of repeats")
    resource.pop("dispenseRequest", None)
    resource |= {"dispenseRequest": supply} if supply else {}


def _amount(supply: dict[str, Any], name: str, text: str, new: Mapping[str, Any]) -> None:
    if not text:
        supply.pop(name, None)
        return
    supply[name] = {**(dosages.mapping(supply.get(name)) or new), "value": _number(text, "supply")}


def _limits(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the dose is begun with and its ceiling, each with what lowered it."""
    bounds = dosages.mapping(dosages.mapping(context.get("dose")).get("bounds"))
    named = (("Begun with", "start"), ("Highest for this patient", "ceiling"))
    return tuple(_limit(name, dosages.mapping(bounds[key])) for name, key in named if key in bounds)


def _limit(name: str, bound: Mapping[str, Any]) -> str:
    why = f" ({said(bound['words'])})" if bound.get("words") else ""
    return f"{name}: {bound['mg'].normalize():f} mg a day{why}."


def _repeat(dosage: Mapping[str, Any]) -> Mapping[str, Any]:
    return dosages.mapping(dosages.mapping(dosage.get("timing")).get("repeat"))


def _quantity(dosage: Mapping[str, Any]) -> Mapping[str, Any]:
    rates = dosages.sequence(dosage.get("doseAndRate"))
    return dosages.mapping(dosages.mapping(rates[0]).get("doseQuantity")) if len(rates) == 1 else {}


def _number(text: str, name: str) -> int | Decimal:
    if not _NUMBER.fullmatch(text):
        raise BadRequest("U-REQUEST", f"The {name} is no number: write it as 50 or 37.5.")
    found = Decimal(text)
    return int(found) if found == found.to_integral_value() else found


def _count(text: str, name: str) -> int:
    if not _COUNT.fullmatch(text):
        raise BadRequest("U-REQUEST", f"The {name} is no whole number: write it as 2.")
    return int(text)


def _day(text: str) -> str:
    if not _DAY.fullmatch(text):
        raise BadRequest("U-REQUEST", "A date is no day: write it as 2026-11-22.")
    return text
