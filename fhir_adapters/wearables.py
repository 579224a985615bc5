"""Being written."""

from collections.abc import Iterable

from fhir_adapters.canonical import DailyValue, Refusal
from fhir_adapters.facts import Reading
from fhir_adapters.observations import Element


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[DailyValue, ...], tuple[Refusal, ...]]:
    """Return the facts, newest first, and what is none."""
    return (), ()
