"""What becomes of a positive screen: closed until a person has assessed, then open with warnings, or closed still.

An answer is superseded by a later whole administration of the same instrument, and settled by an assessment that a
person made afterwards: recorded in the chart, or attested. Which does what to which answer is data (gates.csv):
``superseded_by`` and ``assessed_by`` name it, ``reopens`` says whether drafting may then open again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from recommender.assessment import Attestation
from recommender.catalog.rows import GateRow
from recommender.gate.gate_readings import GateChart, Hit, within

FACT = ": "  # a crisis message says the fact, and after this what is to be done


@dataclass(frozen=True, slots=True)
class Assessed:
    """One assessment after which an answer may count as looked into: when, what it was, and who sees the patient next.

    ``attested``: a practitioner's word, given in view of the chart, which therefore covers what has no date too.
    """

    day: date
    moment: str | None
    words: str
    attestation: Attestation | None = None


def settle(found: Iterable[Hit], chart: GateChart) -> tuple[Hit, ...]:
    """Return the hits as they stand after the assessments on record, and what those leave to be done."""
    settled = [after for hit in found for after in _after(hit, chart)]
    closing = _closed_by_attestation(chart)
    return (*settled, *((closing,) if closing else ()))


def supply_days(found: Iterable[Hit], chart: GateChart) -> int | None:
    """Return for how many days at most to dispense at a time, None where no assessment reopened drafting."""
    if any(_is(hit.row, "reopened") for hit in found):
        return int(chart.knowledge.policies["reopened_supply_days"])
    return None


def _after(hit: Hit, chart: GateChart) -> Iterator[Hit]:
    row = hit.row
    newer = _superseding(hit, chart)
    seen = newer or _assessing(hit, chart)
    if seen is None:
        yield hit
    elif row.effect == "crisis" and not row.reopens:
        yield _follow_up("held", hit, seen, chart)
    elif row.effect == "crisis" and newer is None:
        yield _follow_up("reopened", hit, seen, chart)


def _superseding(hit: Hit, chart: GateChart) -> Assessed | None:
    """Return what supersedes an answer: on a later day, since on the same one the positive answer counts."""
    if hit.day is None:
        return None
    found = [one for key in hit.row.superseded_by for one in _newer(key, chart)]
    return max((one for one in found if one.day > hit.day), key=lambda one: one.day, default=None)


def _newer(key: str, chart: GateChart) -> Iterator[Assessed]:
    row = _row(key, chart)
    if row is not None:
        yield from assessments(row, chart)
        return
    for one in chart.answers.get(key, ()):
        if one.effective and one.effective <= chart.day:
            yield Assessed(one.effective, one.moment, "the same question")


def _assessing(hit: Hit, chart: GateChart) -> Assessed | None:
    rows = [row for key in hit.row.assessed_by if (row := _row(key, chart))]
    found = [one for row in rows for one in assessments(row, chart) if _follows(one, hit, row)]
    # Of two words of one minute, which a page cannot tell apart, the one that was given last.
    return max(reversed(found), key=lambda one: (one.day, one.attestation is not None, one.moment or ""), default=None)


def _follows(one: Assessed, hit: Hit, row: GateRow) -> bool:
    """Say whether an assessment came after what was found; on the same day by the clock, or as its row says."""
    if hit.day is None:
        return one.attestation is not None
    if one.day != hit.day:
        return one.day > hit.day
    if one.moment and hit.moment:
        return one.moment > hit.moment
    return row.operator == "on-or-after"


def assessments(row: GateRow, chart: GateChart) -> Iterator[Assessed]:
    """Yield the assessments that ``row`` finds up to the day of the assessment, within its window."""
    kind, _, name = row.reads.partition(":")
    for one in _ASSESSMENTS[kind](row, name, chart):
        if one.day <= chart.day and within(one.day, chart, row.window_days):
            yield one


def _whole(row: GateRow, name: str, chart: GateChart) -> Iterator[Assessed]:
    """Yield the one administration of which every named feature is present: its form left nothing open."""
    features = [chart.features.features[one] for one in name.split("+")]
    days = {one.effective if one.status == "present" else None for one in features}
    day = days.pop()
    if day is not None and not days:
        yield Assessed(day, None, row.message)


def _answer(row: GateRow, name: str, chart: GateChart) -> Iterator[Assessed]:
    for one in chart.answers.get(name, ()):
        if one.effective:
            yield Assessed(one.effective, one.moment, row.message)


def _recorded(row: GateRow, name: str, chart: GateChart) -> Iterator[Assessed]:
    for one in chart.patient.measurements:
        if (one.key, one.value) == (name, row.value) and one.effective:
            yield Assessed(one.effective, one.moment, row.message)


def _attested(row: GateRow, name: str, chart: GateChart) -> Iterator[Assessed]:
    for one in chart.attestations:
        yield Assessed(one.day, one.moment, f"{row.message} by {one.by}", one)


_ASSESSMENTS = {"features": _whole, "scale": _answer, "recorded": _recorded, "attestation": _attested}


def _closed_by_attestation(chart: GateChart) -> Hit | None:
    """Return the closing that the last word of a practitioner asks for, until there is a later one."""
    said = [one for one in chart.attestations if one.day <= chart.day]
    last = [one for one in said if one.day == max(other.day for other in said)]
    if all(one.moment for one in last):
        last = sorted(last, key=lambda one: one.moment or "")[-1:]
    closing = next((one for one in last if one.result == "stays-closed"), None)
    if closing is None:
        return None
    row = next(row for row in chart.knowledge.gates if _is(row, "closed"))
    review = f"review by {closing.review_by} on {closing.review_on}"
    return Hit(row, row.message.format(reason=closing.by, date=closing.day, review=review), closing.day)


def _follow_up(operator: str, hit: Hit, seen: Assessed, chart: GateChart) -> Hit:
    row = next(row for row in chart.knowledge.gates if _is(row, operator))
    days = {name: f"{chart.knowledge.policies[f'reopened_{name}_days']:g}" for name in ("supply", "review")}
    message = row.message.format(
        value=hit.message.partition(FACT)[0],
        reason=seen.words,
        date=seen.day,
        supply=days["supply"],
        review=_until(hit) if operator == "held" else _review(seen, days["review"], chart.day),
    )
    return Hit(row, message, hit.day)


def _review(seen: Assessed, days: str, today: date) -> str:
    """Name the follow-up: the attested one, else the prescriber's in the time that the policy gives."""
    said = seen.attestation
    if said is None:
        return f"review by the prescriber within {days} days"
    late = " is overdue" if said.review_on < today else ""
    return f"{'the ' if late else ''}review by {said.review_by} on {said.review_on}{late}"


def _until(hit: Hit) -> str:
    if hit.day is None or hit.row.window_days is None:
        return "its date is known"
    return str(hit.day + timedelta(days=hit.row.window_days + 1))


def _row(key: str, chart: GateChart) -> GateRow | None:
    return next((row for row in chart.knowledge.gates if row.id == key), None)


def _is(row: GateRow, operator: str) -> bool:
    return row.effect == "follow-up" and row.operator == operator
