"""What to do about a reason for which the adapters leave something out, or do not feed a feature from it."""

from collections.abc import Iterable, Mapping

IMPLAUSIBLE = "compare value and unit with the source: it is probably another unit's number"
# Part of a reason → what to do; the first that fits counts.
_CURES: Mapping[str, str] = {
    "undated": "send the day on which it was observed (effectiveDateTime); a value of no day is never used",
    "no-date": "send the day on which it was observed (effectiveDateTime); a value of no day is never used",
    "value-is-text": "send the value as a Quantity or a code, not as words",
    "unit-missing": "send the UCUM unit beside the number; a number without a unit is never used",
    "unit-unknown": "send the UCUM code, or name the EHR's spelling under [units] in the profile",
    "value-code-unknown": "map the local answer to a known code in the profile's code map",
    "answer-unknown": "send the answer with its LOINC answer code, or map the local answers in the profile",
    "item-unknown": "name the form's questions under [instruments] in the profile",
    "item-missing": "send every item of the scale, or its total",
    "implausible": IMPLAUSIBLE,
    "disagree": "two codes or answers of one resource say different things: correct the one that is wrong",
    "future": "date it of the day on which it was observed",
    "status-unknown": "send a status of its value set with each resource; what has none is not taken for current",
    "dose-": "send doseQuantity in mg, or of a known strength, and timing.repeat; the drug is read, its dose is not",
    "frequency-missing": "send timing.repeat with frequency and period; the drug is read, its dose a day is not known",
    "analyte-unknown": "send the LOINC code of the test, or map the local code in the profile's code map",
    "condition-not-understood": "send SNOMED CT or ICD-10-CM codes, or map the local codes in the profile's code map",
    "relation-unknown": "send the relative's relationship as a code",
}


def cures(reasons: Iterable[str]) -> list[str]:
    """Return what to do about these reasons, in the order of the table; none for a reason that says all by itself."""
    named = list(reasons)
    return [cure for part, cure in _CURES.items() if any(part in one for one in named)]
