"""How most checks of this suite go: every request of a kind is looked at, and what is wrong is said once."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from conformance.checks import Acts, Told, Untested, Verdict, passed
from conformance.suites.cds_client.probe import Came, Probe
from conformance.wording import counted

_SHOWN = 5  # requests that are named as evidence of one finding


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one request: what came, where, what was expected, and the exact fix."""

    message: str
    path: str
    fix: str
    expected: str = ""
    got: str = ""
    verdict: Verdict = "fail"
    acts: Acts | None = None


Run = Callable[[Probe], Awaitable[Sequence[Told]]]
Judge = Callable[[Probe, Came], Iterable[Wrong]]


def each(of: Callable[[Probe], Sequence[Came]], judge: Judge, fine: str) -> Run:
    """Return a check of every request that ``of`` yields; ``fine`` is what is said where nothing is wrong."""

    async def check(probe: Probe) -> Sequence[Told]:
        requests = of(probe)
        return said([(one, wrong) for one in requests for wrong in judge(probe, one)], len(requests)) or passed(
            f"{fine} ({counted(len(requests), 'request')})", *(one.number for one in requests[:_SHOWN])
        )

    return check


def said(found: Sequence[tuple[Came, Wrong]], of: int) -> list[Told]:
    """Return each wrong once, with how many of the requests it was seen in."""
    places: dict[tuple[str, str], list[tuple[Came, Wrong]]] = {}
    for one, wrong in found:
        places.setdefault((wrong.message, wrong.path), []).append((one, wrong))
    told: list[Told] = []
    for several in places.values():
        wrong = several[0][1]
        numbers = tuple(dict.fromkeys(one.number for one, _ in several))
        often = f" (in {len(numbers)} of {of} requests)" if of > 1 else ""
        told.append(
            Told(wrong.verdict, f"{wrong.message}{often}", wrong.expected, wrong.got, wrong.path, wrong.fix,
                 wrong.acts, numbers[:_SHOWN])
        )  # fmt: skip
    return told


def only(requests: Sequence[Came], why: str) -> Sequence[Came]:
    """Return the requests; Untested with ``why`` where there are none."""
    if not requests:
        raise Untested(why)
    return requests


def shown(value: object) -> str:
    """Return a value as a finding shows it: short, absent as such."""
    text = "absent" if value is None else str(value)
    return f"{text[:77]}…" if len(text) > 78 else text
