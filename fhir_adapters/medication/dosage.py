"""Dosages to milligrams a day, where they say so in so many words; otherwise nothing, and why.

Ranges, drugs as needed, steps one after another and doses by body weight give no number. Tablets and
millilitres count where the drug's name or its Medication says how much they hold. Several dosages count
together only where they plainly hold at the same time: one number in ``sequence``, or other times of the day.
"""

from collections.abc import Sequence

import msgspec

from fhir_adapters.medication import sigs, strengths, timings
from fhir_adapters.medication.strengths import Strength
from fhir_adapters.reading import wire

_SAME = 0.01  # rounding of a dose in words and in numbers; policy
_DURATION_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7, "mo": 31, "a": 366}  # at most


class Dose(msgspec.Struct, frozen=True, gc=False):
    """Milligrams a day; None with why, which is empty where the resource says nothing of a dose."""

    mg_per_day: float | None
    as_needed: bool = False
    why: str = ""


def read(dosages: Sequence[wire.Dosage], strength: Strength | None, several: bool = False) -> Dose:
    """Return the daily dose of a drug whose one piece or millilitre holds ``strength``.

    ``several``: the drug has several ingredients, and an amount of it is the amount of none of them.
    """
    if not dosages:
        return Dose(None)
    as_needed = any(map(_as_needed, dosages))
    if as_needed:
        return Dose(None, True, "as-needed")
    if several:
        return Dose(None, why="several-ingredients")
    if len(dosages) > 1 and not _together(dosages):
        return Dose(None, why="steps" if len({one.sequence for one in dosages}) > 1 else "several-dosages")
    total = 0.0
    for dosage in dosages:
        mg, why = _one(dosage, strength)
        if mg is None:
            return Dose(None, why=why)
        total += mg
    return Dose(total)


def longest(dosages: Sequence[wire.Dosage]) -> int | None:
    """Return the days that ``boundsDuration`` gives, the most that they can be; None unless all dosages say it."""
    days: list[float] = []
    for dosage in dosages:
        repeat = dosage.timing.repeat if dosage.timing else None
        bounds = repeat.boundsDuration if repeat else None
        unit = _DURATION_DAYS.get((bounds.code or bounds.unit or "").strip().lower()) if bounds else None
        if bounds is None or unit is None or not bounds.value or bounds.value <= 0 or bounds.comparator:
            return None
        days.append(bounds.value * unit)
    return int(-(-max(days) // 1)) if days else None


def _as_needed(dosage: wire.Dosage) -> bool:
    if dosage.asNeededBoolean or dosage.asNeededCodeableConcept is not None:
        return True
    if dosage.asNeededBoolean is not None:
        return False
    code = dosage.timing.code if dosage.timing else None
    texts = [dosage.text, dosage.patientInstruction, code.text if code else None]
    return any(sigs.needed(text) for text in texts if text)


def _together(dosages: Sequence[wire.Dosage]) -> bool:
    """Say whether several dosages hold at the same time."""
    sequences = {one.sequence for one in dosages}
    repeats = [one.timing.repeat if one.timing else None for one in dosages]
    bounds = {(one.boundsPeriod, one.boundsDuration) for one in repeats if one}
    if len(sequences) > 1 or len(bounds) > 1:
        return False
    if None not in sequences:
        return True
    times = [frozenset((*one.when, *one.timeOfDay)) if one else frozenset[str]() for one in repeats]
    return all(times) and sum(map(len, times)) == len(frozenset[str]().union(*times))


def _one(dosage: wire.Dosage, strength: Strength | None) -> tuple[float | None, str]:
    """Return what elements say, else what words say; nothing where both say a daily dose and it differs."""
    times, late = timings.per_day(dosage.timing)
    mg, why = _structured(dosage, strength)
    said = _said(dosage)
    told, untold = _of_text(said, strength)
    if said is None and why == "no-amount" and (dosage.text or dosage.patientInstruction):
        return None, "text-not-understood"
    rate = said.times if said is not None and late == "no-timing" else times
    amount = told if why == "no-amount" else mg
    if amount is None or rate is None:
        return None, (untold if why == "no-amount" else why) or late or "no-timing"
    in_words = told * said.times if told is not None and said is not None and said.times is not None else None
    if in_words is not None and abs(in_words - amount * rate) > _SAME * in_words:
        return None, "text-contradicts"
    return amount * rate, ""


def _said(dosage: wire.Dosage) -> sigs.Sig | None:
    """Return what the words of a dosage say; nothing where the text and the patient's instruction differ."""
    first = sigs.read(dosage.text) if dosage.text else None
    second = sigs.read(dosage.patientInstruction) if dosage.patientInstruction else None
    if first is None or second is None:
        return first or second
    return first if first == second else None


def _structured(dosage: wire.Dosage, strength: Strength | None) -> tuple[float | None, str]:
    """Return the amount of a dosage in milligrams, or why there is none: ``no-amount`` where none is given.

    Several, each of its own type, are one dose as ordered, calculated and given (Epic writes all three;
    http://hl7.org/fhir/R4/valueset-dose-rate-type.html): those that can be read must be one amount.
    """
    if len(dosage.doseAndRate) < 2:
        return _amount(dosage.doseAndRate[0], strength) if dosage.doseAndRate else (None, "no-amount")
    types = {one.type for one in dosage.doseAndRate}
    if None in types or len(types) < len(dosage.doseAndRate):
        return None, "several-amounts"
    told = [_amount(one, strength) for one in dosage.doseAndRate]
    if any(why == "range" for _, why in told):
        return None, "range"
    read = [mg for mg, _ in told if mg is not None]
    if not read:
        return told[0]
    return (read[0], "") if max(read) - min(read) <= _SAME * read[0] else (None, "several-amounts")


def _amount(amount: wire.DoseAndRate, strength: Strength | None) -> tuple[float | None, str]:
    if amount.doseRange is not None:
        return None, "range"
    quantity = amount.doseQuantity
    if quantity is None:
        return None, "no-amount"
    mg = strengths.milligrams(quantity)
    if mg is not None:
        return mg, ""
    if quantity.value is None or quantity.value <= 0 or quantity.comparator:
        return None, "amount-not-understood"
    if not (quantity.unit or quantity.code):
        return None, "no-unit"
    return _pieces(quantity.value, strengths.in_pieces(quantity), strength)


def _of_text(said: sigs.Sig | None, strength: Strength | None) -> tuple[float | None, str]:
    if said is None or said.amount is None:
        return None, "range" if said and said.ranged else "no-amount"
    factor = strengths.MILLIGRAMS.get(said.unit)
    if factor is not None:
        return said.amount * factor, ""
    if not said.unit:
        return None, "no-unit"
    return _pieces(said.amount, strengths.in_pieces(wire.Quantity(unit=said.unit)), strength)


def _pieces(value: float, per: strengths.Per | None, strength: Strength | None) -> tuple[float | None, str]:
    if per is None:
        return None, "unit-not-milligrams"
    if strength is None or strength.per != per:
        return None, "strength-unknown"
    return value * strength.mg, ""
