"""A run of checks: one that is stopped still reports, and what is alike is one finding."""

import asyncio
from collections.abc import Sequence
from datetime import date

from conformance import runner
from conformance.checks import Broken, Check, Requirement, Suite, Told, failed, passed
from conformance.report import findings

RULE = Requirement("X-1", "It is so.", "https://example.org")
DAY = date(2026, 11, 22)


def check(name: str, run: object) -> Check[None]:
    """Return a required check."""
    return Check(name, name, "group", RULE, "blocks-start", "ehr-team", run)  # type: ignore[arg-type]


async def good(_: None) -> Sequence[Told]:
    """Pass."""
    return passed("good")


async def down(_: None) -> Sequence[Told]:
    """Meet nobody."""
    raise Broken("GET /x: no connection")


def test_a_run_that_is_stopped_keeps_what_was_judged_and_is_never_green() -> None:
    """Ctrl-C in the middle: the checks before it have their verdicts, the others say that they had no turn."""
    begun = asyncio.Event()

    async def long(_: None) -> Sequence[Told]:
        begun.set()
        await asyncio.sleep(3600)
        return passed("never")

    checks = [check("a", good), check("b", good), check("c", long), check("d", good)]

    async def story() -> runner.Run:
        task = asyncio.create_task(runner.run(Suite("s", "S", tuple(checks)), None, checks, {}, today=DAY))
        await begun.wait()
        task.cancel()
        return await task

    run = asyncio.run(story())
    assert [one.verdict for one in run.results] == ["pass", "pass", "not-tested", "not-tested"]
    assert run.results[3].said.message == runner.STOPPED
    assert (run.stopped, run.status) == (True, "too-little")


def test_a_run_that_was_stopped_at_its_last_check_is_not_passed() -> None:
    """Enough was judged for a verdict, and the run still says that it was cut."""
    begun = asyncio.Event()

    async def long(_: None) -> Sequence[Told]:
        begun.set()
        await asyncio.sleep(3600)
        return passed("never")

    checks = [*(check(f"a{n}", good) for n in range(9)), check("z", long)]

    async def story() -> runner.Run:
        task = asyncio.create_task(runner.run(Suite("s", "S", tuple(checks)), None, checks, {}, today=DAY))
        await begun.wait()
        task.cancel()
        return await task

    assert asyncio.run(story()).status == "too-little"


def test_what_fails_in_the_same_way_is_one_finding_under_the_first_check() -> None:
    """Checks that met the same broken connection are told once, with the ids of the others."""
    checks = [check(name, down) for name in "abc"] + [check("d", good)]
    run = asyncio.run(runner.run(Suite("s", "S", tuple(checks)), None, checks, {}, today=DAY))
    (found,) = findings.findings(run.results)
    assert (found.result.check.id, found.also) == ("a", ["b", "c"])


def test_what_has_another_cure_is_another_finding() -> None:
    """The same words with another fix are two findings."""

    def bad(fix: str) -> object:
        async def run(_: None) -> Sequence[Told]:
            return failed("it is not so", fix=fix)

        return run

    checks = [check("a", bad("do this")), check("b", bad("do that")), check("c", bad("do this"))]
    run = asyncio.run(runner.run(Suite("s", "S", tuple(checks)), None, checks, {}, today=DAY))
    assert [(one.result.check.id, one.also) for one in findings.findings(run.results)] == [("a", ["c"]), ("b", [])]
