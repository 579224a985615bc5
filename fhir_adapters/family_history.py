"""Being written."""

from fhir_adapters.canonical import FamilyHistory, Refusal
from fhir_adapters.facts import Reading


def read(reading: Reading) -> tuple[tuple[FamilyHistory, ...], tuple[Refusal, ...]]:
    """Return the facts, newest first, and what is none."""
    return (), ()
