"""What became of one feature in one patient, in the words of a coverage report."""

from collections.abc import Collection, Mapping
from typing import Literal

from fhir_adapters.canonical import Feature
from fhir_adapters.survey.suggestions import Problem

Outcome = Literal[
    "fed", "absent", "not-supplied", "uncoded", "wrong-system", "wrong-unit", "stale", "conflicting", "refused"
]
OUTCOMES: tuple[Outcome, ...] = (
    *("fed", "absent", "not-supplied", "uncoded", "wrong-system", "wrong-unit", "stale", "conflicting", "refused"),
)
_UNITS = frozenset({"unit-unknown", "unit-missing", "unit-conflicting", "unit-not-convertible"})
# What is there, and its words or codes are not understood.
_UNREAD = frozenset({"value-code-unknown", "value-is-text", "answer-unknown", "stopped-drug-unresolved"})
# Nothing is there, or nothing should be; whatever else is missing is there and does not tell.
_NOTHING = frozenset(
    {
        *("not-recorded", "no active antidepressant", "no-earlier-total", "unknown"),
        *("not-applicable", "not-an-adult", "sex-other"),
    }
)
_ORDER: tuple[Problem, ...] = ("uncoded", "wrong-system", "wrong-unit")


def outcome_of(
    feature: Feature,
    features: Mapping[str, Feature],
    problems: Mapping[str, Collection[Problem]],
    would: Feature | None,
) -> Outcome:
    """Return the outcome of a feature.

    ``features`` are the patient's, ``problems`` what was seen for each feature that the suggested lines change, and
    ``would`` the feature as it would be with them, None where none are. What is worked out from other
    features has the outcome of the one that it lacks.
    """
    if feature.status == "present":
        return "fed"
    seen = problems.get(feature.name, ())
    if seen and (feature.status in ("missing", "refused") or (would is not None and would.status == "present")):
        return next(one for one in _ORDER if one in seen)
    reason = feature.reason or ""
    lacking = features.get(reason.rpartition("-")[0])
    if lacking is not None and lacking.name != feature.name:
        return outcome_of(lacking, features, problems, None)
    return _by_reason(feature, reason)


def _by_reason(feature: Feature, reason: str) -> Outcome:
    if feature.status in ("stale", "conflicting"):
        return "stale" if feature.status == "stale" else "conflicting"
    if reason in _UNITS:
        return "wrong-unit"
    if reason in _UNREAD:
        return "uncoded"
    if reason.endswith(("-not-supplied", "-partial")):
        return "not-supplied"
    nothing = reason in _NOTHING or reason.startswith("data-absent")
    return "absent" if feature.status == "missing" and nothing else "refused"
