"""Dosage to milligrams a day, where it says so in so many words; otherwise nothing.

Tablets, ranges, drugs as needed and several dosages in one resource (steps, perhaps) give no number.
"""

from fhir_adapters import wire

_MG = {"mg": 1.0, "g": 1000.0}
_DAYS = {"h": 1 / 24, "d": 1.0, "wk": 7.0}  # UCUM units of Timing.repeat.periodUnit
# http://hl7.org/fhir/R4/valueset-timing-abbreviation.html (v3-GTSAbbreviation): times a day
_ABBREVIATIONS = {"QD": 1.0, "BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5}
_GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"


def mg_per_day(dosages: list[wire.Dosage]) -> float | None:
    """Return milligrams a day; None when amount or times cannot be read, or the drug is taken as needed."""
    if len(dosages) != 1 or dosages[0].asNeededBoolean:
        return None
    amount, times = _amount(dosages[0]), _times(dosages[0].timing)
    return None if amount is None or times is None else amount * times


def _amount(dosage: wire.Dosage) -> float | None:
    quantity = dosage.doseAndRate[0].doseQuantity if len(dosage.doseAndRate) == 1 else None
    if quantity is None or quantity.value is None or quantity.comparator or quantity.value <= 0:
        return None
    factor = _MG.get((quantity.code or quantity.unit or "").strip().lower())
    return None if factor is None else quantity.value * factor


def _times(timing: wire.Timing | None) -> float | None:
    if timing is None:
        return None
    repeat = timing.repeat or wire.Repeat()
    if repeat.frequency and repeat.period and repeat.period > 0 and repeat.frequency > 0:
        days = _DAYS.get(repeat.periodUnit or "")
        variable = repeat.frequencyMax is not None and repeat.frequencyMax != repeat.frequency
        return None if days is None or variable else repeat.frequency / (repeat.period * days)
    found = {one.code or "" for one in timing.code.coding if one.system == _GTS} if timing.code else set[str]()
    return _ABBREVIATIONS.get(found.pop()) if len(found) == 1 else None
