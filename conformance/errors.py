"""The errors of conformance, part of the one tree in ``fhir_adapters.errors``."""

from fhir_adapters.errors import UndersignError


class CheckError(UndersignError):
    """A run of checks that was asked for in a way that cannot be done, or a file that is none of its own."""
