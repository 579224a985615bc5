"""Why a drug that was considered has no draft: one reason for each, the one that says most of it."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from recommender.assessment import SEVERITIES, Assessment, Candidate, Reason

_REFUSALS = ("DRAFT-", "MODEL-", "GATE-")
_STEPS = "GS"  # rows of guideline_steps.csv


def refusal(candidate: Candidate) -> Reason:
    """Return why a drug is not drafted: guidelines and trials may have been said of it since."""
    return next((one for one in candidate.reasons if one.rule.startswith(_REFUSALS)), candidate.reasons[-1])


def kept(assessment: Assessment, shown: Collection[str], said: Collection[str]) -> list[dict[str, Any]]:
    """Return every drug that is not ``shown``, with its verdict, its band and its reason if any.

    ``said`` are the messages that hold of every drug that is shown: they tell none of the others apart.
    """
    return [
        {
            "ingredient": one.ingredient,
            "verdict": one.verdict,
            "band": one.band,
            "reason": msgspec.to_builtins(why(one, said)),
        }
        for one in assessment.candidates
        if one.ingredient not in shown
    ]


def why(candidate: Candidate, said: Collection[str]) -> Reason | None:
    """Return the reason that says most: what excludes it, what keeps it from a draft, else what weighs against it."""
    reasons = candidate.reasons
    if candidate.verdict == "excluded":
        return _worst([one for one in reasons if one.blocks])
    if candidate.verdict in ("not-draftable", "abstained"):
        return refusal(candidate) if reasons else None
    told = [one for one in reasons if one.rule.startswith(_STEPS)]
    return _worst(
        told or [one for one in reasons if not one.unknown and one.severity != "none" and one.message not in said]
    )


def _worst(reasons: Sequence[Reason]) -> Reason | None:
    """Return the most serious reason; one whose input is known before one whose input is not."""
    return min(reasons, key=lambda one: (one.unknown, SEVERITIES.index(one.severity)), default=None)
