"""What each reason for leaving a patient out means, in a sentence for whoever made the export."""

from collections.abc import Mapping
from types import MappingProxyType

from recommender.training.site import episodes, rows

MEANING: Mapping[str, str] = MappingProxyType(
    {
        episodes.NO_START: "no order, statement or dispense of an antidepressant says on which day it began",
        episodes.NO_BASELINE: "no PHQ-9 total in the 30 days up to the start, or two that differ",
        episodes.SEVERAL: "two antidepressants begun on one day, or a combination",
        episodes.BESIDE: "an earlier antidepressant goes on, so the outcome is not that of one drug",
        episodes.AGAIN: "not a first trial of the drug",
        episodes.UNKNOWN_DRUG: "the model has no evidence rows for the drug",
        episodes.TOO_RECENT: "the start is less than 70 days before the day of the export (--now)",
        rows.CONSENT: "a Consent denies use, or denies anything to anybody",
        rows.NO_DEPRESSION: "no active depression was recorded by the day of the start: not coded as a problem, coded"
        " later, or as something else; the bedside would not have ranked drugs either",
        rows.UNSUPPORTED: "age or PHQ-9 is missing or outside what the model covers",
        rows.UNREAD: "the record cannot be read: “undersign features” says why",
    }
)


def said(reason: str, count: int) -> str:
    """Return the line that tells how many were left out, by what reason, and what it means."""
    return f"{count} left out: {reason} ({MEANING[reason]})"
