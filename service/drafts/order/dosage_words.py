"""A dosage in plain words, made from its structure alone: every element of it that an order may have."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.drafts.order.dosages import MOMENTS, mapping, sequence
from service.drafts.order.quantities import amount, figures, quoted

_UNITS: Final[Mapping[str, str]] = {"min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month"}


def text(dosage: Mapping[str, Any]) -> str:
    """Return a complete dosage (``dosages.check``) in words; its own ``text`` is not read."""
    repeat = mapping(mapping(dosage.get("timing")).get("repeat"))
    step = f"step {dosage['sequence']}:" if "sequence" in dosage else ""
    route = str(mapping(dosage.get("route")).get("text", ""))
    found = (step, _dose(dosage), route, _often(repeat), _moments(repeat), _needed(dosage), *_dates(repeat))
    return " ".join(filter(None, found))


def _dose(dosage: Mapping[str, Any]) -> str:
    rate = mapping(dosage["doseAndRate"][0])
    ends = mapping(rate.get("doseRange"))
    if ends:
        return f"{amount(mapping(ends.get('low')))} to {amount(mapping(ends.get('high')))}"
    return amount(mapping(rate.get("doseQuantity")))


def _often(repeat: Mapping[str, Any]) -> str:
    most = f" to {repeat['frequencyMax']}" if "frequencyMax" in repeat else ""
    once = repeat.get("frequency") == 1 and not most
    times = "once" if once else f"{repeat.get('frequency')}{most} times"
    period, unit = figures(repeat.get("period")), _UNITS.get(str(repeat.get("periodUnit")), "")
    return f"{times} every {unit}" if period == "1" else f"{times} every {period} {unit}s"


def _moments(repeat: Mapping[str, Any]) -> str:
    return " and ".join(MOMENTS.get(str(one), str(one)) for one in sequence(repeat.get("when")))


def _needed(dosage: Mapping[str, Any]) -> str:
    if "asNeededCodeableConcept" in dosage:
        return f"as needed for {quoted(mapping(dosage['asNeededCodeableConcept']).get('text', ''))}"
    return "as needed" if dosage.get("asNeededBoolean") else ""


def _dates(repeat: Mapping[str, Any]) -> Iterator[str]:
    period, duration = mapping(repeat.get("boundsPeriod")), mapping(repeat.get("boundsDuration"))
    yield from (f"{word} {period[name]}" for name, word in (("start", "from"), ("end", "until")) if name in period)
    if duration:
        yield f"for {amount(duration)}"
