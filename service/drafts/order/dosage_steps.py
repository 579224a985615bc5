"""Instructions that follow each other (R4 Dosage.sequence): how long each step lasts, and that no two are one day's.

What is followed must say when it ends, or nobody knows when the next begins; steps whose dates overlap are a higher
dose of a day than any of them says.
"""

from collections.abc import Mapping
from typing import Any, Final

from fhir_adapters import dates
from fhir_adapters.dates import PartialDate
from service.drafts.order.dosages import mapping, sequence
from service.errors import Unprocessable

_STEP: Final = "sequence"


def check(dosages: object) -> None:
    """Refuse steps that nobody could follow one after the other: U-ORDER-INCOMPLETE, U-ORDER-DOSE.

    ``dosages`` have passed ``dosages.check``.
    """
    found = [one for one in map(mapping, sequence(dosages)) if _STEP in one]
    last = max((one[_STEP] for one in found), default=None)
    if any(one[_STEP] != last and not _ends(_repeat(one)) for one in found):
        msg = "a step that another one follows must say for how long, or until when; complete it"
        raise Unprocessable("U-ORDER-INCOMPLETE", msg)
    for one in found:
        end = _day(one, "end")
        starts = (_day(other, "start") for other in found if other[_STEP] > one[_STEP])
        if end is not None and any(start is not None and start.last < end.first for start in starts):
            raise Unprocessable("U-ORDER-DOSE", "a step begins before the one that it follows has ended; change it")


def _ends(repeat: Mapping[str, Any]) -> bool:
    return "boundsDuration" in repeat or "end" in mapping(repeat.get("boundsPeriod"))


def _day(dosage: Mapping[str, Any], name: str) -> PartialDate | None:
    text = mapping(_repeat(dosage).get("boundsPeriod")).get(name)
    return dates.parse(text) if isinstance(text, str) else None


def _repeat(dosage: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(dosage.get("timing")).get("repeat"))
