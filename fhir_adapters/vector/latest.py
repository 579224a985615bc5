"""The latest usable reading of a feature, or why there is none: the one place where recency is decided.

The newest reading up to the date of assessment counts, whatever it is: a newer one that cannot be read makes
the feature absent, because the older one may no longer hold. A resource that says that it is no result
(cancelled, entered in error, not performed) is no reading, and the older one stands. An answer about suicide
that is not finished is one all the same: nobody may go by the older "no".
"""

import math
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from fhir_adapters import dates
from fhir_adapters.canonical import (
    AbsenceStatus,
    Feature,
    Measurement,
    Refusal,
    Scalar,
    ScaleScore,
    Source,
)
from fhir_adapters.measuring import observation_tables
from fhir_adapters.rating.scale_tables import suicide_answers
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.schema import FeatureSpec

T = TypeVar("T", Measurement, ScaleScore)
_SAME_AFTER_CONVERSION = 0.01  # rounding of two units of one value; policy
_UNFINISHED = frozenset(
    {"preliminary", "in-progress", "stopped", "registered", "unknown", "status-missing", "status-unknown"}
)
_NO_READING = _UNFINISHED | {"cancelled", "entered-in-error", "superseded"}


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One reading that may become the value of a feature; ``key`` is its analyte, where it is a measurement."""

    value: Scalar
    effective: date | None
    moment: str | None
    source: Source
    bound: bool = False
    key: str | None = None


def of_measurement(one: Measurement) -> Candidate:
    """Return a measurement as a candidate."""
    return Candidate(one.value, one.effective, one.moment, one.source, one.comparator is not None, one.key)


def of_score(one: ScaleScore) -> Candidate:
    """Return an answer or total as a candidate."""
    return Candidate(one.value, one.effective, one.moment, one.source)


def present(spec: FeatureSpec, value: Scalar, effective: date | None, source: Source | None) -> Feature:
    """Return the feature with its value, or refused when the value is outside the plausible range."""
    if isinstance(value, float) and not _plausible(spec, value):
        return absent(spec, "refused", "implausible", effective, source)
    return Feature(spec.name, "present", value, spec.unit, None, effective, source)


def _plausible(spec: FeatureSpec, value: float) -> bool:
    return (spec.low is None or value >= spec.low) and (spec.high is None or value <= spec.high)


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
    spec: FeatureSpec, facts: Indexed, key: str | None = None, values: frozenset[str] | None = None
) -> Feature:
    """Return the feature from the measurements of ``key`` (the feature's own name where left out).

    ``values``: the codes that count, of a coded measurement.
    """
    key = key or spec.name
    found, refused = facts.measured(key), facts.refusals.get(key, ())
    if not (found or refused):
        return _not_recorded(spec, facts)
    counted = found if values is None else [one for one in found if one.value in values]
    alone = None if refused else _alone(counted, facts.as_of)
    if alone is not None and alone.effective is not None:
        return _dated(spec, of_measurement(alone), alone.effective, facts.as_of)
    return choose(spec, facts, [of_measurement(one) for one in _that_matter(counted, facts.as_of)], refused)


def latest_score(spec: FeatureSpec, facts: Indexed, keys: Sequence[str]) -> Feature:
    """Return the feature from the answers and totals of these ``<scale>.<part>``."""
    found, refused = facts.scored(keys), facts.refused(keys)
    alone = None if refused else _alone(found, facts.as_of)
    if alone is not None and alone.effective is not None:
        return _dated(spec, of_score(alone), alone.effective, facts.as_of)
    return choose(spec, facts, [of_score(one) for one in _that_matter(found, facts.as_of)], refused)


def _alone(found: Sequence[T], as_of: date) -> T | None:
    """Return the newest fact where it stands alone on its day and all days are exact, as most do."""
    first = None
    for one in found:
        if one.effective is None or one.effective > as_of:
            continue
        if one.source.repairs or (first is not None and one.effective == first.effective):
            return None
        first = first or one
    return first


def _that_matter(found: Sequence[T], as_of: date) -> Sequence[T]:
    """Return the facts that ``choose`` can name: those of the newest day known on ``as_of``, and dates in doubt.

    ``found`` stands newest first. Where no day is known, all of them: why none counts is then asked.
    """
    day = next((one.effective for one in found if one.effective is not None and one.effective <= as_of), None)
    if day is None:
        return found
    return [one for one in found if one.effective == day or (one.source.repairs and one.effective is not None)]


def choose(spec: FeatureSpec, facts: Indexed, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> Feature:
    """Return the feature from its candidates, given newest and preferred first.

    Of several measurements of one time, by different methods or in different specimens, those of the preferred
    code count (terminology/observations.csv).
    """
    if not (candidates or refusals):
        return _not_recorded(spec, facts)
    as_of = facts.as_of
    dated = [one for one in candidates if one.effective is not None and one.effective <= as_of]
    day = dated[0].effective if dated else None
    seen = [one for one in refusals if one.effective is None or one.effective <= as_of]
    newer = [one for one in seen if one.effective and one.effective > (day or date.min) and is_reading(one)]
    if newer:
        return _refused(spec, newer)
    if day is None:
        return _none(spec, facts, candidates, seen)
    top = newest(dated) if len(dated) > 1 else dated
    return _judge(spec, top, _perhaps_newer(dated, top, day) if len(dated) > 1 else (), day, as_of)


def newest(dated: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates of the last day: those of its last moment, and those without a known one.

    ``dated`` stands newest first.
    """
    last = [one for one in dated if one.effective == dated[0].effective]
    moment = max([one.moment for one in last if one.moment], default=None)
    return [one for one in last if one.moment in (None, moment)]


def _perhaps_newer(dated: Sequence[Candidate], top: Sequence[Candidate], day: date) -> list[Candidate]:
    """Return others whose date is a month or a year that reaches the day of the newest, or goes beyond it."""
    return [
        one
        for one in dated
        if one.source.repairs
        and one not in top
        and one.effective != day
        and dates.last_day(one.effective or day, one.source.repairs) >= day
    ]


def _judge(
    spec: FeatureSpec, top: Sequence[Candidate], doubtful: Sequence[Candidate], day: date, as_of: date
) -> Feature:
    top = _preferred(top) if len(top) > 1 else top
    first = top[0]
    found = _dated(spec, first, day, as_of)
    if found.status == "stale":
        return found
    if any(one.bound for one in top):
        return absent(spec, "refused", "bound-only", day, first.source)
    if len(top) > 1 and not all(_same(first, one) for one in top):
        return absent(spec, "conflicting", "values-disagree", day, _all_of(top))
    if doubtful and not all(_same(first, one) for one in doubtful):
        return absent(spec, "conflicting", "order-unknown", day, _all_of((*top, *doubtful)))
    return found


def _dated(spec: FeatureSpec, one: Candidate, day: date, as_of: date) -> Feature:
    """Return the feature from one candidate of a known day: its value, unless it is too old or only a bound."""
    if spec.max_age_days is not None and (as_of - day).days > spec.max_age_days:
        return absent(spec, "stale", f"older-than-{spec.max_age_days}-days", day, one.source)
    if one.bound:
        return absent(spec, "refused", "bound-only", day, one.source)
    return present(spec, one.value, day, one.source)


def _all_of(candidates: Sequence[Candidate]) -> Source:
    """Return a source that names all of them."""
    places = sorted({f"{one.source.reference} {one.source.path}" for one in candidates})
    return replace(candidates[0].source, path="; ".join(places), rule="features.conflict", original=None)


def _preferred(top: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return the candidates of the preferred code; all of them where a code is not in the table."""
    ranks = [_rank(one) for one in top]
    known = [rank for rank in ranks if rank is not None]
    if len(known) < len(ranks):
        return top
    first = min(known)
    return [one for one, rank in zip(top, ranks, strict=True) if rank == first]


def _rank(one: Candidate) -> int | None:
    code = one.source.original.code if one.source.original else None
    return _preferences().get((one.key or "", code.rpartition("|")[2].strip())) if code else None


@cache
def _preferences() -> dict[tuple[str, str], int]:
    table = observation_tables.load().codes
    return {(known.key, code): known.preference for (_, code), known in table.items()}


def _same(one: Candidate, other: Candidate) -> bool:
    if isinstance(one.value, str) or isinstance(other.value, str) or _unit(one) == _unit(other):
        return one.value == other.value
    return math.isclose(one.value, other.value, rel_tol=_SAME_AFTER_CONVERSION)


def _unit(one: Candidate) -> str | None:
    return one.source.original.unit if one.source.original else None


def is_reading(refusal: Refusal) -> bool:
    """Return whether a refusal is of a result that could not be read, and not of what says that it is none."""
    if refusal.reason in _UNFINISHED and refusal.key in suicide_answers():
        return True
    return refusal.reason not in _NO_READING and not refusal.reason.startswith("data-absent")


def _none(spec: FeatureSpec, facts: Indexed, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> Feature:
    undated = [one for one in candidates if one.effective is None]
    if undated:
        return absent(spec, "refused", "undated", None, undated[0].source)
    if refusals:
        return _refused(spec, refusals)
    if candidates:
        return absent(spec, "refused", "future", candidates[0].effective, candidates[0].source)
    return _not_recorded(spec, facts)


def _not_recorded(spec: FeatureSpec, facts: Indexed) -> Feature:
    return missing(spec, facts.unrecorded)


def missing(spec: FeatureSpec, reason: str) -> Feature:
    """Return the feature of which nothing tells."""
    return Feature(spec.name, "missing", reason=reason)


def _refused(spec: FeatureSpec, refusals: Sequence[Refusal]) -> Feature:
    last = max(refusals, key=lambda one: (one.effective or date.min, one.reference, one.path, one.reason))
    status = "missing" if last.reason.startswith("data-absent") else "refused"
    origin = Source(last.reference, last.path, "features.refused")
    return absent(spec, status, last.reason, last.effective, origin)
