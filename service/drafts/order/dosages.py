"""Dosage of an order: is it complete, are its numbers possible, what is the highest dose of a day.

Only structure that says the same to every reader counts: a dose quantity in UCUM and ``timing.repeat`` with
frequency, period and unit. Free text and abbreviations of timing are never interpreted.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from service.drafts.order.quantities import UCUM, check_duration, positive, whole
from service.errors import Unprocessable

_MG: Final[Mapping[str, Decimal]] = {"mg": Decimal(1), "g": Decimal(1000), "ug": Decimal("0.001")}
# Times a unit of time goes into so many days (ucum.org, customary units of time), both exact.
_UNITS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    "min": (Decimal(1440), Decimal(1)),
    "h": (Decimal(24), Decimal(1)),
    "d": (Decimal(1), Decimal(1)),
    "wk": (Decimal(1), Decimal(7)),
    "mo": (Decimal(1), Decimal("30.4375")),
}
# Moments of a day, of the codes of Timing.repeat.when (http://hl7.org/fhir/R4/valueset-event-timing.html).
MOMENTS: Final[Mapping[str, str]] = {
    "MORN": "in the morning",
    "NOON": "at noon",
    "AFT": "in the afternoon",
    "EVE": "in the evening",
    "NIGHT": "at night",
    "HS": "before going to sleep",
}
_RATES: Final = ("rateRatio", "rateRange", "rateQuantity")


def check(dosages: object) -> None:
    """Refuse dosage that nobody could follow: U-ORDER-INCOMPLETE, U-ORDER-DOSE (Unprocessable)."""
    for dosage in _dosages(dosages):
        doses = list(map(milligrams, _doses(dosage)))
        if doses[0] > doses[-1]:
            raise Unprocessable("U-ORDER-DOSE", "doseRange begins above its end; change it")
        if dosage.get("asNeededBoolean", True) is not True:
            raise Unprocessable("U-ORDER-DOSE", "asNeededBoolean must be true, or left out; change it")
        doses_a_day(dosage)
        _step(dosage)
        _check_repeat(mapping(mapping(dosage.get("timing")).get("repeat")))


def mg_per_day(dosages: object) -> Decimal:
    """Return the highest dose in mg of any one day; same errors as ``check``.

    Instructions with the same ``sequence``, or none, are taken together; others follow each other (R4
    Dosage). A range counts with its high end. A dose given less often than daily counts whole on its day.
    """
    always, steps = _by_step(dosages)
    return always + max(steps.values(), default=Decimal(0))


def first_mg_per_day(dosages: object) -> Decimal:
    """Return the highest dose in mg of any one day of the first step; as ``mg_per_day``."""
    always, steps = _by_step(dosages)
    return always + (steps[min(steps)] if steps else Decimal(0))


def mean_mg_per_day(dosages: object) -> Decimal | None:
    """Return what is used up a day, in mg, with ranges at their high end; None where instructions follow each other."""
    found = _dosages(dosages)
    if len({_step(one) for one in found}) > 1:
        return None
    used = (max(map(milligrams, _doses(one))) * doses_a_day(one) for one in found)
    return sum(used, Decimal(0))


def single_doses_mg(dosages: object) -> tuple[Decimal, ...]:
    """Return every amount that is given at one time, in mg, both ends of a range."""
    return tuple(milligrams(dose) for one in _dosages(dosages) for dose in _doses(one))


def times_a_day(dosages: object) -> tuple[Decimal, ...]:
    """Return how often a day each instruction is given."""
    return tuple(doses_a_day(one) for one in _dosages(dosages))


def as_needed(dosages: object) -> bool:
    """Say whether any instruction leaves it to the need."""
    return any(one.get("asNeededBoolean") or "asNeededCodeableConcept" in one for one in _dosages(dosages))


def milligrams(quantity: Mapping[str, Any]) -> Decimal:
    """Return a dose quantity in mg; U-ORDER-DOSE for no number above zero or another unit than mg, g, ug."""
    value, code = quantity.get("value"), quantity.get("code")
    if value is None or code is None:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has a dose without value or UCUM code; complete it")
    if quantity.get("system") != UCUM or not isinstance(code, str) or code not in _MG:
        raise Unprocessable("U-ORDER-DOSE", "the dose must be in mg, g or ug of UCUM; change its unit")
    if quantity.get("unit", code) != code or "comparator" in quantity:
        raise Unprocessable("U-ORDER-DOSE", "the dose must be one amount, its unit the same as its code; change it")
    return positive(value, "dose") * _MG[code]


def doses_a_day(dosage: Mapping[str, Any]) -> Decimal:
    """Return the most doses a day that ``timing.repeat`` allows; U-ORDER-INCOMPLETE, U-ORDER-DOSE."""
    repeat = mapping(mapping(dosage.get("timing")).get("repeat"))
    unit = repeat.get("periodUnit")
    if repeat.get("frequency") is None or repeat.get("period") is None or unit is None:
        msg = "the order needs timing.repeat with frequency, period and periodUnit; complete it"
        raise Unprocessable("U-ORDER-INCOMPLETE", msg)
    if not isinstance(unit, str) or unit not in _UNITS:
        raise Unprocessable("U-ORDER-DOSE", "timing.repeat.periodUnit must be min, h, d, wk or mo; change it")
    times = max(whole(repeat[name], name) for name in ("frequency", "frequencyMax") if name in repeat)
    units, days = _UNITS[unit]
    moments = len(sequence(repeat.get("when")))
    return max(times * units / (positive(repeat["period"], "period") * days), Decimal(moments))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, empty for anything else."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[object]:
    """Return a JSON array, empty for anything else."""
    return cast(Sequence[object], value) if isinstance(value, list) else ()


def _by_step(dosages: object) -> tuple[Decimal, dict[int, Decimal]]:
    """Return the highest day of what is given always, and of each step, in mg."""
    always, steps = Decimal(0), dict[int, Decimal]()
    for dosage in _dosages(dosages):
        dose = max(milligrams(quantity) for quantity in _doses(dosage)) * max(doses_a_day(dosage), Decimal(1))
        step = _step(dosage)
        if step is None:
            always += dose
        else:
            steps[step] = steps.get(step, Decimal(0)) + dose
    return always, steps


def _step(dosage: Mapping[str, Any]) -> int | None:
    return whole(dosage["sequence"], "sequence") if "sequence" in dosage else None


def _dosages(value: object) -> list[Mapping[str, Any]]:
    found = [mapping(dosage) for dosage in sequence(value)]
    if not found:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has no dosage instruction; add dose and timing")
    return found


def _doses(dosage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rates = sequence(dosage.get("doseAndRate"))
    if not rates:
        raise Unprocessable("U-ORDER-INCOMPLETE", "the order has a dosage without dose; complete it")
    rate = mapping(rates[0])
    if len(rates) > 1 or any(name in rate for name in _RATES) or {"doseQuantity", "doseRange"} <= rate.keys():
        raise Unprocessable("U-ORDER-DOSE", "a dosage must have one dose and no rate; change it")
    if "doseRange" in rate:
        yield mapping(mapping(rate["doseRange"]).get("low"))
        yield mapping(mapping(rate["doseRange"]).get("high"))
    else:
        yield mapping(rate.get("doseQuantity"))


def _check_repeat(repeat: Mapping[str, Any]) -> None:
    """Refuse times that contradict each other: U-ORDER-DOSE."""
    if repeat.get("frequencyMax", repeat["frequency"]) < repeat["frequency"]:
        raise Unprocessable("U-ORDER-DOSE", "frequencyMax is below frequency; change it")
    if "boundsDuration" in repeat:
        check_duration(mapping(repeat["boundsDuration"]), "boundsDuration")
    if "when" in repeat:
        _check_moments(repeat, sequence(repeat["when"]))


def _check_moments(repeat: Mapping[str, Any], moments: Sequence[object]) -> None:
    known = {one for one in moments if isinstance(one, str) and one in MOMENTS}
    if len(known) != len(moments):
        raise Unprocessable("U-ORDER-DOSE", f"when must be of {', '.join(MOMENTS)}, each once; change it")
    if repeat["periodUnit"] != "d" or "frequencyMax" in repeat or len(known) != repeat["frequency"]:
        raise Unprocessable("U-ORDER-DOSE", "when must name as many moments of a day as frequency says; change it")
