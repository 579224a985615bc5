"""Interleaved rounds: whatever else the machine does falls on all that is compared, and the median sheds it."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Times = Mapping[str, Sequence[float]]


def interleaved(
    jobs: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Return the milliseconds of every call by name: in each round each job is called ``calls`` times."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():  # the first call of each pays for caches
        job()
    for _ in range(rounds):
        for name, job in jobs.items():
            times[name].extend(_timed(job, clock) for _ in range(calls))
    return times


def _timed(job: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    job()
    return (clock() - started) * 1000


def median(times: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(times)


def percentile(times: Sequence[float], part: float) -> float:
    """Return the smallest time that ``part`` (0 to 1) of all times do not exceed."""
    return sorted(times)[max(0, math.ceil(part * len(times)) - 1)]
