"""Dosage of an order: is it complete, are its numbers possible, what is the highest dose of a day.

Only structure that says the same to every reader counts: a dose quantity in UCUM and ``timing.repeat`` with
frequency, period and unit. Free text and abbreviations of timing are never interpreted.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from service.errors import Unprocessable

UCUM: Final = "http://unitsofmeasure.org"
_MG: Final[Mapping[str, Decimal]] = {"mg": Decimal(1), "g": Decimal(1000), "ug": Decimal("0.001")}
# Times a unit of time goes into so many days (ucum.org, customary units of time), both exact.
_UNITS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    "min": (Decimal(1440), Decimal(1)),
    "h": (Decimal(24), Decimal(1)),
    "d": (Decimal(1), Decimal(1)),
    "wk": (Decimal(1), Decimal(7)),
    "mo": (Decimal(1), Decimal("30.4375")),
}
_WORDS: Final[Mapping[str, str]] = {"min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month"}
_RATES: Final = ("rateRatio", "rateRange", "rateQuantity")


def check(dosages: object) -> None:
    """Refuse dosage that nobody could follow: U-ORDER-INCOMPLETE, U-ORDER-DOSE (Unprocessable)."""
    for dosage in _dosages(dosages):
        for dose in _doses(dosage):
            milligrams(dose)
        doses_a_day(dosage)
        _check_maximum(dosage.get("maxDosePerPeriod"))


def mg_per_day(dosages: object) -> Decimal:
    """Return the highest dose in mg of any one day; same errors as ``check``.

    Instructions with the same ``sequence``, or none, are taken together; others follow each other (R4
    Dosage). A range counts with its high end. A dose given less often than daily counts whole on its day.
    """
    together: dict[object, Decimal] = {}
    for dosage in _dosages(dosages):
        dose = max(milligrams(quantity) for quantity in _doses(dosage))
        step = dosage.get("sequence")
        together[step] = together.get(step, Decimal(0)) + dose * max(doses_a_day(dosage), Decimal(1))
    always = together.pop(None, Decimal(0))
    return always + max(together.values(), default=Decimal(0))


def milligrams(quantity: Mapping[str, Any]) -> Decimal:
    """Return a dose quantity in mg; U-ORDER-DOSE for no number above zero or another unit than mg, g, ug."""
    value, code = quantity.get("value"), quantity.get("code")
    if value is None or code is None:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has a dose without value or UCUM code; complete it")
    if quantity.get("system") != UCUM or code not in _MG:
        raise Unprocessable("U-ORDER-DOSE", "the dose must be in mg, g or ug of UCUM; change its unit")
    return positive(value, "dose") * _MG[code]


def doses_a_day(dosage: Mapping[str, Any]) -> Decimal:
    """Return the most doses a day that ``timing.repeat`` allows; U-ORDER-INCOMPLETE, U-ORDER-DOSE."""
    repeat = mapping(mapping(dosage.get("timing")).get("repeat"))
    unit = repeat.get("periodUnit")
    if repeat.get("frequency") is None or repeat.get("period") is None or unit is None:
        msg = "the order needs timing.repeat with frequency, period and periodUnit; complete it"
        raise Unprocessable("U-ORDER-INCOMPLETE", msg)
    if unit not in _UNITS:
        raise Unprocessable("U-ORDER-DOSE", "timing.repeat.periodUnit must be min, h, d, wk or mo; change it")
    times = max(positive(repeat[name], name) for name in ("frequency", "frequencyMax") if name in repeat)
    moments = max(len(sequence(repeat.get(name))) for name in ("when", "timeOfDay"))
    units, days = _UNITS[unit]
    return max(times * units / (positive(repeat["period"], "period") * days), Decimal(moments))


def text(dosage: Mapping[str, Any]) -> str:
    """Return a complete dosage in plain words, made from its structure alone."""
    repeat = dosage["timing"]["repeat"]
    quantity = dosage["doseAndRate"][0]
    dose = quantity.get("doseQuantity") or quantity["doseRange"]["high"]
    amount = f"{'up to ' if 'doseRange' in quantity else ''}{dose['value']} {dose['code']}"
    route = mapping(dosage.get("route")).get("text")
    period, word = repeat["period"], _WORDS[repeat["periodUnit"]]
    every = f"every {word}" if period == 1 else f"every {period} {word}s"
    times = "once" if repeat["frequency"] == 1 else f"{repeat['frequency']} times"
    return " ".join(filter(None, [amount, route, times, every, "as needed" if dosage.get("asNeededBoolean") else ""]))


def positive(value: object, name: str) -> Decimal:
    """Return a number above zero; U-ORDER-DOSE naming the element, never the value."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be a number; change it")
    number = Decimal(value)
    if not number.is_finite() or number <= 0:
        raise Unprocessable("U-ORDER-DOSE", f"{name} must be a number above zero; change it")
    return number


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, empty for anything else."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[object]:
    """Return a JSON array, empty for anything else."""
    return cast(Sequence[object], value) if isinstance(value, list) else ()


def _dosages(value: object) -> list[Mapping[str, Any]]:
    found = [mapping(dosage) for dosage in sequence(value)]
    if not found:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has no dosage instruction; add dose and timing")
    return found


def _doses(dosage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rates = sequence(dosage.get("doseAndRate"))
    if not rates:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has a dosage without dose; complete it")
    if len(rates) > 1 or any(name in mapping(rates[0]) for name in _RATES):
        raise Unprocessable("U-ORDER-DOSE", "a dosage must have one dose and no rate; change it")
    rate = mapping(rates[0])
    if "doseRange" in rate:
        yield mapping(mapping(rate["doseRange"]).get("low"))
        yield mapping(mapping(rate["doseRange"]).get("high"))
    else:
        yield mapping(rate.get("doseQuantity"))


def _check_maximum(ratio: object) -> None:
    for part in ("numerator", "denominator"):
        if ratio is not None:
            positive(mapping(mapping(ratio).get(part)).get("value"), f"maxDosePerPeriod.{part}")
