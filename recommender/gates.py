"""Gates: whether drafting is open for this patient at all, and whom to tell.

Which answers, diagnoses and values count is data (gates.csv, jurisdictions.csv); the order is fixed: crisis,
consent withheld, jurisdiction, out of scope, insufficient data.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from fhir_adapters.canonical import CanonicalPatient, ConsentDecision, Diagnosis, FeatureVector, ScaleScore
from recommender import indications
from recommender.assessment import Escalation, Gate
from recommender.knowledge import Knowledge
from recommender.rows import Effect, GateRow, JurisdictionRow
from recommender.triggers import COMPARE, gap

_URGENCY = {"now": 0, "today": 1, "routine": 2}


@dataclass(frozen=True, slots=True)
class _Chart:
    patient: CanonicalPatient
    features: FeatureVector
    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class _Hit:
    row: GateRow
    message: str


def evaluate(
    patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge, *, jurisdiction: str | None
) -> tuple[Gate, tuple[Escalation, ...]]:
    """Return the gate and the people to tell, most urgent first.

    ``jurisdiction`` is an ISO 3166-2 code (``US-NV``). The reasons of an open gate are notices. Crisis and
    dangerous values are told whatever closes the gate, except of a patient recorded as deceased.
    """
    chart = _Chart(patient, features, knowledge)
    hits = tuple(hit for row in knowledge.gates if (hit := _hit(row, chart)))
    dead = tuple(hit for hit in hits if hit.row.reads == "deceased")
    if dead:
        return Gate("out-of-scope", _messages(dead)), ()
    gate = _gate(hits, chart, jurisdiction)
    told = {"crisis", "escalate", gate.status}
    return gate, _escalations(hit for hit in hits if hit.row.effect in told)


def _gate(hits: tuple[_Hit, ...], chart: _Chart, jurisdiction: str | None) -> Gate:
    crisis = _with_effect(hits, "crisis")
    if crisis:
        return Gate("crisis", _messages(crisis))
    refused = _consent(chart.patient.consents, chart.features.as_of)
    if refused:
        return Gate("consent-withheld", refused)
    place = _jurisdiction(chart.knowledge, jurisdiction)
    notices = (place.notice,) if place.notice else ()
    if not place.open:
        return Gate("jurisdiction", notices)
    for effect in ("out-of-scope", "insufficient-data"):
        closing = _with_effect(hits, effect)
        if closing:
            return Gate(effect, _messages(closing))
    return Gate("open", (*_messages(_with_effect(hits, "notice")), *notices))


def _with_effect(hits: tuple[_Hit, ...], effect: Effect) -> tuple[_Hit, ...]:
    return tuple(hit for hit in hits if hit.row.effect == effect)


def _messages(hits: tuple[_Hit, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.message for hit in hits))


def _escalations(hits: Iterable[_Hit]) -> tuple[Escalation, ...]:
    told: dict[str, Escalation] = {}
    for hit in hits:
        if hit.row.to:
            told.setdefault(hit.message, Escalation(hit.row.to, hit.row.urgency, hit.message, hit.row.id))
    return tuple(sorted(told.values(), key=lambda one: (_URGENCY[one.urgency], one.rule)))


def _consent(consents: tuple[ConsentDecision, ...], day: date) -> tuple[str, ...]:
    """Return why consent is withheld: the newest decision in force denies, or one cannot be read.

    Decisions without a start, and denials of the same day as a permit, count as the newest.
    """
    in_force = [one for one in consents if _in_force(one, day)]
    unreadable = tuple(one.reason for one in in_force if one.decision == "unreadable")
    decided = [one for one in in_force if one.decision in ("deny", "permit")]
    if not decided:
        return unreadable
    newest = max(one.start or date.max for one in decided)
    latest = [one for one in decided if (one.start or date.max) == newest or one.start is None]
    return tuple(one.reason for one in latest if one.decision == "deny") + unreadable


def _in_force(consent: ConsentDecision, day: date) -> bool:
    return (consent.start is None or consent.start <= day) and (consent.end is None or consent.end >= day)


def _jurisdiction(knowledge: Knowledge, code: str | None) -> JurisdictionRow:
    rows = knowledge.jurisdictions
    stated = (code or "").strip().upper()
    return rows[stated] if stated in rows else rows["*"]


def _hit(row: GateRow, chart: _Chart) -> _Hit | None:
    kind, _, name = row.reads.partition(":")
    return _READINGS[kind](row, name, chart)


def _feature(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    feature = chart.features.features[name]
    if row.operator == "absent":
        return None if feature.status == "present" else _told(row, reason=gap(feature))
    if feature.status != "present" or feature.value is None:
        return None
    if row.operator == "=":
        return _told(row, row.value, feature.effective) if feature.value == row.value else None
    value = chart.features.number(name)
    if value is None or not COMPARE[row.operator](value, float(row.value)):
        return None
    return _told(row, f"{value:g}", feature.effective)


def _scale(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    """Read the latest day's answers: any of them that counts is a hit, an undated one too."""
    scale, _, part = name.partition("/")
    scores = [one for one in chart.patient.scales if (one.scale, one.part) == (scale, part)]
    recent = [one for one in scores if _within(one.effective, chart, row.window_days)]
    dated = [one.effective for one in recent if one.effective]
    latest = [one for one in recent if one.effective is None or one.effective == max(dated)]
    return next((_told(row, f"{one.value:g}", one.effective) for one in latest if _counts(row, one)), None)


def _counts(row: GateRow, score: ScaleScore) -> bool:
    limit = float(row.value)
    return score.value == limit if row.operator == "=" else score.value >= limit


def _within(day: date | None, chart: _Chart, window: int | None) -> bool:
    return day is None or window is None or (chart.features.as_of - day).days <= window


def _condition(row: GateRow, key: str, chart: _Chart) -> _Hit | None:
    for diagnosis in chart.patient.diagnoses:
        if key in diagnosis.keys and _meant(row, diagnosis, chart):
            return _told(row, day=diagnosis.onset)
    return None


def _meant(row: GateRow, diagnosis: Diagnosis, chart: _Chart) -> bool:
    """``active`` now; ``recent`` begun within the window, or active without a known beginning; ``ever``."""
    code = (diagnosis.code or "").rpartition("|")[2].replace(".", "")
    if code in row.except_codes or (row.only_codes and code not in row.only_codes):
        return False
    if row.operator == "ever":
        return True
    if row.operator == "active":
        return diagnosis.active
    return diagnosis.active if diagnosis.onset is None else _within(diagnosis.onset, chart, row.window_days)


def _list(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    wanted = "partial" if row.operator == "partial" else "not-supplied"
    return _told(row) if chart.patient.lists.get(name, "not-supplied") == wanted else None


def _deceased(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    return _told(row) if chart.patient.deceased else None


def _depression(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    """``absent``: a list supplied whole shows none; ``unknown``: a list read in part shows none."""
    if indications.has_depression(chart.patient, chart.features, chart.knowledge):
        return None
    needed = "supplied" if row.operator == "absent" else "partial"
    return _told(row) if chart.patient.lists.get("conditions") == needed else None


def _trials(row: GateRow, name: str, chart: _Chart) -> _Hit | None:
    number = indications.trials(chart.patient, chart.features, chart.knowledge)
    return _told(row, str(number)) if number is not None and number >= float(row.value) else None


def _told(row: GateRow, value: str = "", day: date | None = None, reason: str = "") -> _Hit:
    when = str(day) if day else "a day not recorded"
    return _Hit(row, row.message.format(value=value, date=when, reason=reason))


_READINGS: Mapping[str, Callable[[GateRow, str, _Chart], _Hit | None]] = {
    "feature": _feature,
    "scale": _scale,
    "condition": _condition,
    "list": _list,
    "deceased": _deceased,
    "depression": _depression,
    "trials": _trials,
}
