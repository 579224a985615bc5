"""A run: which checks, in which order, what each says, and what that means for the exit status."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from conformance.checks import Broken, Check, NotAsked, Result, Suite, Told, Untested, Verdict
from conformance.waivers import Waiver, waived

Status = Literal["passed", "findings", "not-run", "too-little"]
# 0 all required checks passed, 1 findings, 2 could not run, 3 ran, but too little was tested to say.
EXIT: Mapping[Status, int] = {"passed": 0, "findings": 1, "not-run": 2, "too-little": 3}
STOPPED_BY_A_KEY = 130  # as shells have it for Ctrl-C
_ENOUGH = 0.8  # of the required checks
STOPPED = "the run was stopped before this check"
_REPORT = "tell us the check's id and this line, without any value of a patient; the other checks stand"


@dataclass(frozen=True, slots=True)
class Run:
    """The results of one run, in the order of the suite. ``about``: what was run on what, when, by which version.

    ``stopped``: it was ended before all checks had their turn.
    """

    suite: str
    title: str
    about: Mapping[str, Any]
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stopped: bool = False

    def counts(self) -> dict[Verdict, int]:
        """Return how many checks ended with each verdict."""
        found: dict[Verdict, int] = {"pass": 0, "fail": 0, "warn": 0, "not-tested": 0, "broken": 0}
        for one in self.results:
            found[one.verdict] += 1
        return found

    @property
    def status(self) -> Status:
        """What the run means as a whole: a mostly untested one is never green."""
        judged = [one for one in self.results if one.verdict not in ("not-tested", "broken")]
        if not judged:
            return "not-run"
        if any(one.verdict == "fail" and not one.waived for one in self.results):
            return "findings"
        if any(one.verdict == "broken" and one.check.required for one in self.results):
            return "not-run"
        required = [one for one in self.results if one.required]
        tested = sum(one.verdict != "not-tested" for one in required)
        return "passed" if tested >= _ENOUGH * len(required) and not self.stopped else "too-little"


def chosen(
    suite: Suite[Any], *, only: Sequence[str] = (), write: bool = False, slow: bool = True
) -> Iterator[Check[Any]]:
    """Yield the checks of a run: those whose id is, or starts with, one of ``only``; writes only when asked for."""
    for check in suite.checks:
        named = not only or any(check.id == one or check.id.startswith(f"{one}.") for one in only)
        if named and (write or "write" not in check.tags) and (slow or "slow" not in check.tags):
            yield check


async def run(
    suite: Suite[Any],
    probe: Any,
    checks: Sequence[Check[Any]],
    about: Mapping[str, Any],
    *,
    today: date,
    waivers: Sequence[Waiver] = (),
    told: Callable[[Result], None] = lambda _: None,
) -> Run:
    """Judge the checks one after the other; a check that cannot run is a result, never an exception.

    A run that is cancelled (Ctrl-C) ends as one that is stopped: what was not judged by then was not tested.
    """
    results: list[Result] = []
    try:
        for check in checks:
            results.append(waived(await judge(check, probe), waivers, today))
            told(results[-1])
    except asyncio.CancelledError:
        _go_on()
    left = [Result(one, (Told("not-tested", STOPPED),)) for one in checks[len(results) :]]
    return Run(suite.name, suite.title, about, (*results, *left), suite.notes, stopped=bool(left))


def _go_on() -> None:
    """Take the cancelling back, so that the end of the run can still take back what it wrote, and report."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def judge(check: Check[Any], probe: Any) -> Result:
    """Return what one check says of a probe."""
    try:
        said = tuple(await check.run(probe))
    except NotAsked as other:
        return Result(check, (Told("not-tested", other.why, exchanges=other.exchanges),), asked=False)
    except Untested as none:
        said = (Told("not-tested", none.why, exchanges=none.exchanges),)
    except Broken as broken:
        said = (Told("broken", broken.why, fix=broken.fix, acts=broken.acts, exchanges=broken.exchanges),)
    except Exception as error:  # noqa: BLE001 - the boundary of a check: a fault of ours must not end the run
        why = f"{type(error).__name__} in this check: a fault of this program"
        said = (Told("broken", why, fix=_REPORT, acts="undersign"),)
    return Result(check, said or (Told("not-tested", "nothing to judge"),))
