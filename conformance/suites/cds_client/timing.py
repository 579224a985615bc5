"""When calls come and what follows an answer: doubles, calls at the same time, waiting, repeats."""

from collections.abc import Sequence
from datetime import timedelta

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.listening.answers import RETRY_AFTER_S
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.probe import Came, Probe

_GROUP = "answers"
_DOUBLE_S = 2.0
_ENOUGH_MS, _LONG_MS = 2500, 15_000
_MOST_REPEATS = 3
_OFF = "switched off: give --trials, on a test system"


async def _doubled(probe: Probe) -> Sequence[Told]:
    calls = probe.first_calls
    for n, one in enumerate(calls):
        for other in calls[n + 1 :]:
            near = (other.at - one.at).total_seconds() <= _DOUBLE_S
            if near and one.step in ("card", "empty") and _same(one, other):
                return warned(
                    "a service was called twice at once for the same user and patient", one.number, other.number,
                    path="$.hookInstance", expected="one call", got="two invocations",
                    fix="call a service once when its hook fires: each call is worked out anew, and shown twice",
                )  # fmt: skip
    return passed(f"{len(calls)} invocations, none twice", *(one.number for one in calls[:5]))


def _same(one: Came, other: Came) -> bool:
    return one.service == other.service and one.context == other.context


async def _parallel(probe: Probe) -> Sequence[Told]:
    calls = probe.calls
    pairs = [
        (one, other) for n, one in enumerate(calls) for other in calls[n + 1 :]
        if one.at <= other.answered and other.at <= one.answered
    ]  # fmt: skip
    if not pairs:
        raise Untested("no two calls came at the same time: open two charts at once, or answer one late (--slow)")
    for one, other in pairs:
        if one.instance == other.instance:
            raise Untested("two calls have one hookInstance (see request.instance-once)", (one.number, other.number))
        jti = [call.token.get("claims", {}).get("jti") for call in (one, other)]
        if jti[0] is not None and jti[0] == jti[1]:
            return failed(
                "two calls at the same time share a jti: the second is refused", one.number, other.number,
                path="JWT jti", expected="one each", got="one for both",
                fix="make jti for each call, not for each page or session",
            )  # fmt: skip
    most = max(sum(other.at <= one.at <= other.answered for other in calls) for one in calls)
    return passed(f"at most {most} calls at the same time, each of its own", pairs[0][0].number, pairs[0][1].number)


async def _waits(probe: Probe) -> Sequence[Told]:
    late = [one for one in probe.calls if "late_s" in one.exchange.seen]
    if not late:
        why = "no call came for the late answer: open a chart once more"
        raise Untested(why if probe.options.get("slow_s") else "switched off: give --slow SECONDS, on a test system")
    one = late[0]
    gone, promised = one.exchange.seen.get("dropped_ms"), float(one.exchange.seen["late_s"]) * 1000
    if gone is not None and gone < _ENOUGH_MS:
        return failed(
            f"the EHR hangs up after {gone / 1000:.1f} s", one.number, expected=f"at least {_ENOUGH_MS / 1000:.1f} s",
            got=f"{gone / 1000:.1f} s", fix="let the EHR wait at least 3 seconds for a card",
        )  # fmt: skip
    if gone is None and promised < _ENOUGH_MS:
        raise Untested(f"the late answer came too early to say: give --slow {_ENOUGH_MS / 1000:.0f} or more")
    if gone is None and promised > _LONG_MS:
        return warned(
            f"the EHR waited {promised / 1000:.0f} s for a card", one.number, expected="at most 15 s",
            got="still waiting", fix="let the EHR go on without the card after a few seconds",
        )  # fmt: skip
    how = "waited for the whole answer of" if gone is None else "hung up after"
    return passed(f"the EHR {how} {(promised if gone is None else gone) / 1000:.1f} s", one.number)


def _trial(probe: Probe, *steps: str) -> list[tuple[Came, list[Came]]]:
    """Return each call that was answered at these steps with its repeats; Untested where there are none."""
    calls = probe.calls
    found: list[tuple[Came, list[Came]]] = []
    begun: set[str] = set()
    for n, one in enumerate(calls):
        if one.step in steps and str(one.instance) not in begun:
            begun.add(str(one.instance))
            again = [other for other in calls[n + 1 :] if other.instance == one.instance and _same(one, other)]
            found.append((one, again))
    if not found:
        why = "no call came for this trial: open a chart once more while the run listens"
        raise Untested(why if probe.options.get("trials") else _OFF)
    return found


async def _busy(probe: Probe) -> Sequence[Told]:
    told: list[Told] = []
    waited: list[float] = []
    for one, again in _trial(probe, "unavailable", "too-many"):
        if not again:
            continue
        pause = again[0].at - one.answered
        waited.append(pause.total_seconds())
        if pause < timedelta(seconds=RETRY_AFTER_S - 0.5):
            told += failed(
                f"a call that was answered {one.exchange.status} came again before Retry-After", one.number,
                again[0].number, path="Retry-After", expected=f"{RETRY_AFTER_S} s", got=f"{waited[-1]:.1f} s",
                fix="wait as long as Retry-After says, or go on without a card",
            )  # fmt: skip
    if told:
        return told
    how = f"repeated after {max(waited):.1f} s" if waited else "not repeated under the same hookInstance"
    return passed(f"429 and 503 are {how}")


async def _storm(probe: Probe) -> Sequence[Told]:
    (one, again), *_ = _trial(probe, "error")
    if len(again) > _MOST_REPEATS:
        return failed(
            f"a call that failed was repeated {len(again)} times", one.number, *(other.number for other in again[:5]),
            expected=f"at most {_MOST_REPEATS} repeats", got=f"{len(again)} repeats",
            fix="repeat a failed call a few times at most, each time later, then go on without a card",
        )  # fmt: skip
    return passed(f"500 is followed by {len(again)} repeats of the same hookInstance", one.number)


async def _precondition(probe: Probe) -> Sequence[Told]:
    (one, again), *_ = _trial(probe, "precondition")
    same = [other for other in again if other.prefetch.keys() == one.prefetch.keys()]
    if same:
        return warned(
            "a call that was answered 412 came again with the same data", one.number, same[0].number,
            path="$.prefetch", expected="more data, or no call", got="the same keys",
            fix="send what the OperationOutcome names, or go on without a card",
        )  # fmt: skip
    return passed("412 is not followed by the same call with the same data", one.number)


async def _empty(probe: Probe) -> Sequence[Told]:
    (one, again), *_ = _trial(probe, "empty")
    if again:
        return warned(
            "a call that was answered without cards came again", one.number, again[0].number,
            expected="no call", got=f"{len(again)} repeats",
            fix="take an empty list of cards as the answer that it is",
        )  # fmt: skip
    return passed("an empty list of cards is taken as an answer", one.number)


CHECKS: tuple[Check[Probe], ...] = (
    Check("calls.once", "One call when a hook fires", _GROUP, must.L1, "degrades", "ehr-team", _doubled),
    Check("calls.parallel", "Calls at the same time", _GROUP, must.L2, "degrades", "ehr-team", _parallel),
    Check("calls.waits", "How long the EHR waits", _GROUP, must.L3, "degrades", "ehr-team", _waits),
    Check("answers.busy", "429, 503 and Retry-After", _GROUP, must.E1, "degrades", "ehr-team", _busy),
    Check("answers.error", "500", _GROUP, must.E2, "degrades", "ehr-team", _storm),
    Check("answers.precondition", "412", _GROUP, must.E3, "information", "ehr-team", _precondition),
    Check("answers.empty", "No cards", _GROUP, must.E4, "information", "ehr-team", _empty),
)
