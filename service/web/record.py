"""What a held draft's context says: the record of its assessment, as plain values for the pages."""

from collections.abc import Mapping
from typing import Any

import msgspec

from service.web.words import said


def read(raw: bytes) -> dict[str, Any]:
    """Return stored JSON as a plain object."""
    return msgspec.json.decode(raw)


def warnings(context: Mapping[str, Any]) -> list[str]:
    """Return the gate's warnings, which come before anything else that is said of a draft."""
    return [said(text) for text in context.get("warnings", [])]


def present(context: Mapping[str, Any]) -> str:
    """Return the present drugs for the condition with their doses, empty where there is none."""
    return " and ".join(_drug(drug) for drug in context.get("present", []))


def replaces(context: Mapping[str, Any]) -> str:
    """Return the present drugs that a switch is meant to replace, empty for no switch."""
    if context.get("step") != "switch":
        return ""
    return present(context)


def unknowns(context: Mapping[str, Any]) -> list[str]:
    """Return what was missing when the options were worked out."""
    found = [*context.get("unknowns", []), *(text.rstrip(".") for text in context.get("unchecked", []))]
    return [said(text) for text in found]


def _drug(drug: Mapping[str, Any]) -> str:
    dose = drug.get("dose_mg_per_day")
    return f"{drug['ingredient']} {dose:g} mg a day" if dose else f"{drug['ingredient']}, dose not known"
