"""Being written."""

from fhir_adapters.canonical import Genotype, Refusal
from fhir_adapters.facts import Reading


def read(reading: Reading) -> tuple[tuple[Genotype, ...], tuple[Refusal, ...]]:
    """Return the facts, newest first, and what is none."""
    return (), ()
