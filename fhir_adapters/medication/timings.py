"""Timing to times a day: repeat, code and words, each only where it says one rate plainly.

http://hl7.org/fhir/R4/datatypes.html#Timing. A range (frequencyMax, periodMax) is no rate, and neither is a
rate that two elements tell differently.
"""

import re
from collections.abc import Mapping

from fhir_adapters import remember
from fhir_adapters.reading import wire

_DAYS = {"h": 1 / 24, "d": 1.0, "wk": 7.0}  # UCUM units of Timing.repeat.periodUnit; a month has no fixed length
# http://hl7.org/fhir/R4/valueset-timing-abbreviation.html (v3-GTSAbbreviation): times a day
_ABBREVIATIONS = {
    **dict.fromkeys(("qd", "am", "pm", "bed"), 1.0),
    "bid": 2.0, "tid": 3.0, "qid": 4.0, "qod": 0.5, "wk": 1 / 7,
    **{f"q{hours}h": 24 / hours for hours in (1, 2, 3, 4, 6, 8, 12, 24)},
}  # fmt: skip
_LONGEST_INTERVAL = 7.0  # days; what is given once in two weeks or a month has no daily dose (depots, cycles): policy
_GTS = frozenset({"http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation", "http://hl7.org/fhir/v3/GTSAbbreviation"})
# http://hl7.org/fhir/R4/valueset-event-timing.html: events that come once a day. "With meals" (C) does not.
_ONCE = frozenset(
    {"MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late"}
    | {"NIGHT", "HS", "WAKE", "CM", "CD", "CV", "ACM", "ACD", "ACV", "PCM", "PCD", "PCV"}
)
_NUMBERS = {
    **dict.fromkeys(("once", "one"), 1), **dict.fromkeys(("twice", "two"), 2), **dict.fromkeys(("thrice", "three"), 3),
    "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "twelve": 12,
}  # fmt: skip
_NUMBER = "|".join((r"\d{1,2}", *_NUMBERS))
_A_DAY = r"(?:a|per|each|every|/) ?day|daily"
_TIMES = re.compile(rf"(?:(?P<n>{_NUMBER})(?: times?| ?x)? (?:{_A_DAY}))")
_EVERY = re.compile(rf"(?:every|q) ?(?P<n>{_NUMBER}) ?(?:h|hr|hrs|hour|hours)")
# Latin and English words, each of one rate. A rate of words that are not here is not read.
_WORDS: Mapping[str, float] = {
    **dict.fromkeys(("daily", "every day", "each day", "per day", "a day", "/day", "/d", "qday", "q day", "od"), 1.0),
    **dict.fromkeys(("every morning", "in the morning", "each morning", "qam", "q am", "mane"), 1.0),
    **dict.fromkeys(("every evening", "in the evening", "each evening", "qpm", "q pm"), 1.0),
    **dict.fromkeys(("at bedtime", "every bedtime", "at night", "every night", "nightly", "each night", "nocte"), 1.0),
    **dict.fromkeys(("qhs", "hs", "before bed", "at noon"), 1.0),
    **dict.fromkeys(("every other day", "every second day", "alternate days"), 0.5),
    **dict.fromkeys(("weekly", "once weekly", "once a week", "every week", "per week", "a week"), 1 / 7),
    **dict.fromkeys(("twice weekly", "twice a week"), 2 / 7),
    **dict.fromkeys(("b.i.d", "bd", "bds"), 2.0),
    **dict.fromkeys(("t.i.d", "tds"), 3.0),
    **dict.fromkeys(("q.i.d", "qds"), 4.0),
    **dict.fromkeys(("q.d", "o.d"), 1.0),
}
_LONGEST = 200  # characters of a phrase that is remembered
_AND = re.compile(r" ?(?:and|,|&|/) ?")
_PART_OF_DAY = re.compile(r"(?:(?:in|at) (?:the )?|every )?(morning|noon|midday|afternoon|evening|night|bedtime)")


def per_day(timing: wire.Timing | None) -> tuple[float | None, str]:
    """Return times a day and an empty text, or None and why: ``no-timing``, ``range``, ``timing-…``."""
    if timing is None:
        return None, "no-timing"
    repeat, why = _of_repeat(timing.repeat)
    coded = _of_code(timing.code)
    if repeat is not None and coded is not None and abs(repeat - coded) > 1e-9:
        return None, "timing-contradicts"
    if why and why != "no-timing":
        return None, why
    rate = repeat if repeat is not None else coded
    return (rate, "") if rate is not None else (None, "timing-not-understood" if timing.code else "no-timing")


@remember.by_text(_LONGEST)
def of_words(text: str) -> float | None:
    """Return the times a day that a phrase says: ``twice daily``, ``every 8 hours``, ``bid``; None for any other."""
    plain = " ".join(text.lower().split()).strip(" .")
    if plain in _ABBREVIATIONS or plain in _WORDS:
        return _ABBREVIATIONS.get(plain) or _WORDS[plain]
    if found := _TIMES.fullmatch(plain):
        return float(_number(found["n"]))
    if found := _EVERY.fullmatch(plain):
        return 24 / _number(found["n"]) if _number(found["n"]) else None
    parts = [_PART_OF_DAY.fullmatch(part) for part in _AND.split(plain)]
    named = [part[1] for part in parts if part]
    return float(len(named)) if len(named) == len(parts) > 1 and len(set(named)) == len(named) else None


def _number(text: str) -> int:
    return _NUMBERS.get(text) or int(text)


def _of_repeat(repeat: wire.Repeat | None) -> tuple[float | None, str]:
    if repeat is None:
        return None, "no-timing"
    if repeat.frequencyMax not in (None, repeat.frequency) or repeat.periodMax not in (None, repeat.period):
        return None, "range"
    if repeat.count == 1:
        return None, "single-dose"
    events = len(repeat.timeOfDay) or (len(repeat.when) if _ONCE.issuperset(repeat.when) else 0)
    if repeat.frequency is None and repeat.period is None:
        return (float(events), "") if events and not repeat.dayOfWeek else (None, "no-timing")
    days = _DAYS.get(repeat.periodUnit or "")
    if days is None or not repeat.period or repeat.period <= 0:
        return None, "timing-not-understood"
    if repeat.period * days > _LONGEST_INTERVAL:
        return None, "interval"
    frequency = repeat.frequency or events or 1
    if frequency < 0 or (events > 1 and frequency not in (1, events)):
        return None, "timing-contradicts"
    if events > 1 and repeat.frequency == 1:
        return None, "timing-contradicts"
    return _weekly(repeat, frequency / (repeat.period * days))


def _weekly(repeat: wire.Repeat, rate: float) -> tuple[float | None, str]:
    """Return the rate on some days of the week only: spread over the week."""
    if not repeat.dayOfWeek:
        return rate, ""
    named = len(set(repeat.dayOfWeek))
    if repeat.period == 1 and repeat.periodUnit == "d":
        return rate * named / 7, ""
    fits = repeat.period == 1 and repeat.periodUnit == "wk" and (repeat.frequency or 1) in (named, 1) and named == 1
    exact = repeat.period == 1 and repeat.periodUnit == "wk" and repeat.frequency == named
    return (rate, "") if fits or exact else (None, "timing-contradicts")


def _of_code(concept: wire.CodeableConcept | None) -> float | None:
    """Return the rate that all codes and texts of Timing.code agree on."""
    if concept is None:
        return None
    found = {of_words(concept.text)} if concept.text else set[float | None]()
    for one in concept.coding:
        if one.system in _GTS:
            found.add(_ABBREVIATIONS.get((one.code or "").lower()))
        if one.display:
            found.add(of_words(one.display))
    found.discard(None)
    return found.pop() if len(found) == 1 else None
