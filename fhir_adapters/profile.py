"""A dialect profile: what is odd about one EHR's FHIR, as data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """One loaded dialect, its base merged in.

    ``systems``: alias of a code system → canonical URI. ``units``: analyte key, or ``any`` → normalised unit text
    → UCUM code. ``repairs``: names of the repairs that reading may make. ``statuses``: list name → codes.
    """

    name: str
    fhir_versions: tuple[str, ...]
    systems: Mapping[str, str]
    units: Mapping[str, Mapping[str, str]]
    repairs: frozenset[str]
    statuses: Mapping[str, frozenset[str]]


def load(name_or_path: str) -> Profile:
    """Return the shipped profile of that name, or the one in that file; ProfileError U-PROFILE-UNKNOWN, -KEY."""
    raise NotImplementedError(name_or_path)
