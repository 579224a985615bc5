"""The latest usable reading of a feature, or why there is none: the one place where recency is decided.

The newest reading up to the date of assessment counts, whatever it is: a newer one that cannot be read makes
the feature absent, because the older one may no longer hold. A resource that says that it is no result
(cancelled, entered in error, not performed) is no reading, and the older one stands.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from fhir_adapters.canonical import (
    AbsenceStatus,
    Feature,
    Measurement,
    Refusal,
    Scalar,
    ScaleScore,
    Source,
)
from fhir_adapters.indexed import Indexed
from fhir_adapters.schema import FeatureSpec

_SAME_AFTER_CONVERSION = 0.01  # rounding of two units of one value; policy
_NO_READING = frozenset(
    {
        *("registered", "preliminary", "cancelled", "entered-in-error", "unknown", "status-missing"),
        *("status-unknown", "in-progress", "stopped"),
    }
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading that may become the value of a feature."""

    value: Scalar
    effective: date | None
    moment: str | None
    source: Source
    bound: bool = False


def of_measurement(one: Measurement) -> Candidate:
    """Return a measurement as a candidate."""
    return Candidate(one.value, one.effective, one.moment, one.source, one.comparator is not None)


def of_score(one: ScaleScore) -> Candidate:
    """Return an answer or total as a candidate."""
    return Candidate(one.value, one.effective, one.moment, one.source)


def present(spec: FeatureSpec, value: Scalar, effective: date | None, source: Source | None) -> Feature:
    """Return the feature with its value, or refused when the value is outside the plausible range."""
    low = -math.inf if spec.low is None else spec.low
    high = math.inf if spec.high is None else spec.high
    if isinstance(value, float) and not low <= value <= high:
        return absent(spec, "refused", "implausible", effective, source)
    return Feature(spec.name, "present", value, spec.unit, None, effective, source)


def absent(
    spec: FeatureSpec,
    status: AbsenceStatus,
    reason: str,
    effective: date | None = None,
    source: Source | None = None,
) -> Feature:
    """Return the feature without a value, and why."""
    return Feature(spec.name, status, reason=reason, effective=effective, source=source)


def latest_measurement(
    spec: FeatureSpec,
    facts: Indexed,
    key: str | None = None,
    values: frozenset[str] | None = None,
    *,
    preferred_first: bool = False,
) -> Feature:
    """Return the feature from the measurements of ``key`` (the feature's own name where left out).

    ``values``: the codes that count, of a coded measurement.
    """
    key = key or spec.name
    found = facts.measured(key)
    candidates = [of_measurement(one) for one in found if values is None or one.value in values]
    return choose(spec, facts, candidates, facts.refused((key,)), preferred_first=preferred_first)


def latest_score(spec: FeatureSpec, facts: Indexed, keys: Sequence[str]) -> Feature:
    """Return the feature from the answers and totals of these ``<scale>.<part>``."""
    return choose(spec, facts, [of_score(one) for one in facts.scored(keys)], facts.refused(keys))


def choose(
    spec: FeatureSpec,
    facts: Indexed,
    candidates: Sequence[Candidate],
    refusals: Sequence[Refusal],
    *,
    preferred_first: bool = False,
) -> Feature:
    """Return the feature from its candidates, given newest and preferred first.

    ``preferred_first``: several values of one time are estimates by different equations; the first counts.
    """
    as_of = facts.as_of
    dated = [one for one in candidates if one.effective is not None and one.effective <= as_of]
    seen = [one for one in refusals if one.effective is None or one.effective <= as_of]
    day = max((one.effective for one in dated if one.effective), default=None)
    newer = [one for one in seen if one.effective and one.effective > (day or date.min) and _is_reading(one)]
    if newer:
        return _refused(spec, newer)
    if day is None:
        return _none(spec, facts, candidates, seen)
    top = newest(dated)
    return _judge(spec, top[:1] if preferred_first else top, day, as_of)


def newest(dated: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates of the last day: those of its last moment, and those without a known one."""
    day = max((one.effective for one in dated if one.effective), default=None)
    last = [one for one in dated if one.effective == day]
    moment = max((one.moment for one in last if one.moment), default=None)
    return [one for one in last if one.moment in (None, moment)]


def _judge(spec: FeatureSpec, top: Sequence[Candidate], day: date, as_of: date) -> Feature:
    first = top[0]
    if spec.max_age_days is not None and (as_of - day).days > spec.max_age_days:
        return absent(spec, "stale", f"older-than-{spec.max_age_days}-days", day, first.source)
    if any(one.bound for one in top):
        return absent(spec, "refused", "bound-only", day, first.source)
    if not all(_same(first, one) for one in top):
        places = sorted({f"{one.source.reference} {one.source.path}" for one in top})
        origin = replace(first.source, path="; ".join(places), rule="features.conflict", original=None)
        return absent(spec, "conflicting", "values-disagree", day, origin)
    return present(spec, first.value, day, first.source)


def _same(one: Candidate, other: Candidate) -> bool:
    if isinstance(one.value, str) or isinstance(other.value, str) or _unit(one) == _unit(other):
        return one.value == other.value
    return math.isclose(one.value, other.value, rel_tol=_SAME_AFTER_CONVERSION)


def _unit(one: Candidate) -> str | None:
    return one.source.original.unit if one.source.original else None


def _is_reading(refusal: Refusal) -> bool:
    return refusal.reason not in _NO_READING and not refusal.reason.startswith("data-absent")


def _none(spec: FeatureSpec, facts: Indexed, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> Feature:
    undated = [one for one in candidates if one.effective is None]
    if undated:
        return absent(spec, "refused", "undated", None, undated[0].source)
    if refusals:
        return _refused(spec, refusals)
    if candidates:
        return absent(spec, "refused", "future", candidates[0].effective, candidates[0].source)
    supplied = facts.patient.lists.get("observations", "not-supplied") != "not-supplied"
    return absent(spec, "missing", "not-recorded" if supplied else "observations-not-supplied")


def _refused(spec: FeatureSpec, refusals: Sequence[Refusal]) -> Feature:
    last = max(refusals, key=lambda one: (one.effective or date.min, one.reference, one.path, one.reason))
    status = "missing" if last.reason.startswith("data-absent") else "refused"
    origin = Source(last.reference, last.path, "features.refused")
    return absent(spec, status, last.reason, last.effective, origin)
