"""What wearables tell, day by day: steps, sleep and resting heart rate, one value a day from one source.

Samples of one device are put together within their local day, as written; a sleep belongs to the day on which it
ends. Two devices of one day are two accounts of the same steps: the fuller counts, their sum never. A day that
cannot be is refused, and so is a day that has a sample which cannot be read.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from fhir_adapters import dates
from fhir_adapters.canonical import DailyValue, Measurement, Refusal, Source
from fhir_adapters.facts import Reading, newest_first
from fhir_adapters.measuring.elements import Element, refused_status
from fhir_adapters.measuring.observations import quantity
from fhir_adapters.reading import wire

_STEPS, _SLEEP, _PULSE = "steps", "sleep_duration", "resting_heart_rate"
_PHASES = frozenset({"sleep_light", "sleep_deep", "sleep_rem"})  # awake is no sleep
_OF_24_HOURS = "steps_day"
_DAYS = {_STEPS: _STEPS, _OF_24_HOURS: _STEPS, _SLEEP: _SLEEP, _PULSE: _PULSE, **dict.fromkeys(_PHASES, _SLEEP)}
_WHOLE_DAY = timedelta(hours=20)  # a period as long as this is a day's total, not a sample; policy
_ONE_NIGHT = timedelta(hours=3)  # phases that are no further apart are one sleep; policy


class _Sample(NamedTuple):
    """One reading; ``start`` and ``end`` are None where only the day is known."""

    key: str
    device: str
    day: date
    start: datetime | None
    end: datetime | None
    found: Measurement | Refusal

    @property
    def reference(self) -> str:
        """``Type/id`` of its Observation."""
        return self.found.reference if isinstance(self.found, Refusal) else self.found.source.reference


class _Account(NamedTuple):
    """What one source says of one day: its value, its first reading and its samples, or why it has none."""

    value: float
    samples: tuple[_Sample, ...]
    first: Measurement | None
    refused: Refusal | None = None


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[DailyValue, ...], tuple[Refusal, ...]]:
    """Return one value a day and key, newest first, and the days that have none that can be used."""
    by_day: dict[tuple[str, date], list[_Sample]] = {}
    for sample in _nights(_samples(reading, coded)):
        by_day.setdefault((_DAYS[sample.key], sample.day), []).append(sample)
    found = [_of_day(reading, key, day, samples) for (key, day), samples in by_day.items()]
    values = newest_first(
        (one for one in found if isinstance(one, DailyValue)),
        lambda one: (one.day, None),
        lambda one: (one.key, one.source.reference),
    )
    return values, tuple([one for one in found if isinstance(one, Refusal)])


def _samples(reading: Reading, coded: Iterable[Element]) -> Iterator[_Sample]:
    analytes = reading.terms.analytes
    for element in coded:
        measured = element.concept.measured
        if not measured or measured[0].key not in _DAYS or len({one.key for one in measured}) > 1:
            continue
        if refused_status(reading, element.of.status):
            continue
        if element.effective is None or element.dated or element.value.dataAbsentReason is not None:
            continue  # a sample of no known day tells of none
        key = measured[0].key
        start, end = _bounds(reading, element.of)
        day = start.date() if _DAYS[key] == _STEPS and start is not None else element.effective
        found = quantity(reading, element, analytes[key])
        if isinstance(found, Measurement) and found.comparator is not None:
            found = element.refuse(key, "value", "bound-only")
        yield _Sample(key, _device(element.of), day, start, end, found)


def _bounds(reading: Reading, of: wire.Observation) -> tuple[datetime | None, datetime | None]:
    """Return first and last local time, as written; None where there is none."""
    period = of.effectivePeriod
    if period is None:
        instant = _local(of.effectiveDateTime or of.effectiveInstant)
        return instant, instant
    start, end = _local(period.start), _local(period.end)
    return (start, end) if start and end and start <= end else (None, None)


def _local(text: str | None) -> datetime | None:
    """Return a local time without its zone: days and distances within one night need none."""
    if text is None or "T" not in text or dates.parse(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _device(of: wire.Observation) -> str:
    device = of.device
    return (device.reference or device.display or "") if device else ""


def _nights(samples: Iterable[_Sample]) -> Iterator[_Sample]:
    """Yield the samples, phases of one night all on the day on which it ends."""
    phases: dict[str, list[_Sample]] = {}
    for sample in samples:
        if sample.key in _PHASES and sample.start is not None:
            phases.setdefault(sample.device, []).append(sample)
        else:
            yield sample
    for of_device in phases.values():
        night: list[_Sample] = []
        until = datetime.min
        for sample in sorted(of_device, key=_in_time):
            if night and _start(sample) - until > _ONE_NIGHT:
                yield from _ended(night, until)
                night = []
            night.append(sample)
            until = max(until, _end(sample))
        yield from _ended(night, until)


def _ended(night: list[_Sample], until: datetime) -> Iterator[_Sample]:
    return (one._replace(day=until.date()) for one in night)


def _of_day(reading: Reading, key: str, day: date, samples: list[_Sample]) -> DailyValue | Refusal:
    accounts = [_plausible(reading, key, day, account) for account in _accounts(key, samples)]
    told = [(account, account.first.source) for account in accounts if account.first and account.refused is None]
    if not told:
        refusals = [account.refused for account in accounts if account.refused]
        return min(refusals, key=lambda one: (one.reference, one.path, one.reason))
    best, first = max(told, key=lambda one: _fullness(key, one[0]))
    unit = reading.terms.analytes[key].unit or ""
    repairs = (*first.repairs, *(("one-source-of-several",) if len(told) > 1 else ()))
    origin = Source(first.reference, first.path, f"wearables.{key}", first.original, repairs)
    return DailyValue(key, day, best.value, unit, len(best.samples), origin)


def _fullness(key: str, account: _Account) -> tuple[float, float, str]:
    """Order accounts of one day: a device that was not worn counts fewer steps, and has fewer samples."""
    size = float(len(account.samples))
    order = (account.value, size) if key == _STEPS else (size, account.value)
    return (*order, account.samples[0].reference)


def _plausible(reading: Reading, key: str, day: date, account: _Account) -> _Account:
    analyte = reading.terms.analytes[key]
    bad = next((one.found for one in account.samples if isinstance(one.found, Refusal)), None)
    low, high = analyte.low or 0.0, analyte.high or 0.0
    if bad is not None:
        return account._replace(refused=Refusal(bad.reference, bad.path, bad.reason, key, day))
    if not low <= account.value <= high:
        return account._replace(refused=Refusal(account.samples[0].reference, "value", "implausible", key, day))
    return account


def _accounts(key: str, samples: list[_Sample]) -> Iterator[_Account]:
    """Yield what each source says: each day's total by itself, the samples of each device put together."""
    parts: dict[tuple[str, bool], list[_Sample]] = {}
    for sample in sorted(samples, key=_in_time):
        if key != _PULSE and _is_total(sample):
            yield _account(key, (sample,))
        else:
            parts.setdefault((sample.device, sample.key == key), []).append(sample)
    for (device, whole), held in parts.items():
        if whole or (device, True) not in parts:  # phases only where no sleep is given whole
            yield _account(key, tuple(held if key == _PULSE else _apart(held)))


def _is_total(sample: _Sample) -> bool:
    """Return whether a sample is a total by itself: of a day, of 24 hours, or of a sleep whose bounds are not known."""
    if sample.key in _PHASES:
        return False
    if sample.start is None or sample.key == _OF_24_HOURS:
        return True
    return sample.start == sample.end if sample.key == _SLEEP else _end(sample) - _start(sample) >= _WHOLE_DAY


def _account(key: str, samples: tuple[_Sample, ...]) -> _Account:
    found = [one.found for one in samples if isinstance(one.found, Measurement)]
    total = sum(float(one.value) for one in found)
    return _Account(round(total / (len(found) or 1) if key == _PULSE else total, 3), samples, next(iter(found), None))


def _apart(samples: Iterable[_Sample]) -> Iterator[_Sample]:
    """Yield the samples that do not overlap one before them: what overlaps was counted by something else.

    Of phases that are given without their bounds, one of each kind.
    """
    last: _Sample | None = None
    seen: set[tuple[str, datetime | None]] = set()
    for sample in samples:
        if sample.start == sample.end:
            mark = (sample.key, None if sample.key in _PHASES else sample.start)
            if mark not in seen:
                seen.add(mark)
                yield sample
        elif last is None or _start(sample) >= _end(last):
            yield sample
            last = sample


def _in_time(sample: _Sample) -> tuple[datetime, datetime, str]:
    return _start(sample), _end(sample), sample.reference


def _start(sample: _Sample) -> datetime:
    return sample.start or datetime.min


def _end(sample: _Sample) -> datetime:
    return sample.end or datetime.min
