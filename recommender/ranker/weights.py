"""What each outcome weighs in the utility: given, else the patient's own answers, else this project's default.

One unit is what remission weighs by default. Benefits have positive weights, harms negative ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fhir_adapters.canonical import Preference
from recommender.ranker import policy

_PREFIX = "weight."
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {key.removeprefix(_PREFIX): value for key, value in policy.load().items() if key.startswith(_PREFIX)}
)
BAND_WIDTH = policy.load()["band.width"]
LIMIT = policy.load()["sensitivity.limit"]
BENEFITS = frozenset({"remission", "response"})

Origin = Literal["default", "questionnaire", "given"]


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights by outcome, and where those that are not the default came from.

    ``reference`` is the QuestionnaireResponse, None for any other origin.
    """

    origin: Origin
    values: Mapping[str, float]
    reference: str | None = None


def sign(outcome: str) -> float:
    """Return 1 for an outcome to be wished for, -1 for one to be avoided."""
    return 1.0 if outcome in BENEFITS else -1.0


def of(given: Mapping[str, float] | None, stated: Sequence[Preference]) -> Weights:
    """Return the weights to rank with: those given, else those of the patient's answers; the rest are defaults."""
    if given:
        return Weights("given", {**DEFAULT_WEIGHTS, **given})
    if stated:
        full = policy.load()["answer.full"]
        answered = {one.outcome: sign(one.outcome) * one.importance / full for one in stated}
        return Weights("questionnaire", {**DEFAULT_WEIGHTS, **answered}, stated[0].source.reference)
    return Weights("default", DEFAULT_WEIGHTS)
