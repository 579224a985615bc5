"""A good call in its variants: all of them are answered with cards."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe, templates_fit

_GROUP = "calls"
_BUDGET_MS = 500.0
_TIMES = 10


_CARDS = "answer 200 with an object that holds the list cards, empty where there is nothing to say"


def _judged(answer: Exchange, of: str, fix: str = _CARDS) -> Sequence[Told]:
    cards = answer.list("cards")
    if answer.status == 200 and cards is not None:
        return passed(f"{of} is answered with {len(cards)} cards", answer.number)
    return failed(
        f"{of} is not answered with cards",
        answer.number,
        expected='200 and {"cards": […]}',
        got=f"{answer.status} {answer.header('content-type')}",
        path="$.cards",
        fix=fix,
    )


async def _good(probe: Probe) -> Sequence[Told]:
    answer = await probe.answered()
    if answer.status == 412 and not templates_fit(await probe.service("patient-view")):
        raise Untested("its templates are none that can be filled (see discovery.fields), so it was called without",
                       (answer.number,))  # fmt: skip
    return _judged(answer, "a good call")


async def _answering(probe: Probe) -> Json:
    """Return the service of patient-view; Untested where a good call gets no cards, since then no other call tells."""
    answer = await probe.answered()
    if answer.status != 200 or answer.list("cards") is None:
        raise Untested("a good call is not answered with cards, so its variants say nothing", (answer.number,))
    return await probe.service("patient-view")


def _changed(of: str, fix: str, change: Callable[[Json], Json]) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        service = await _answering(probe)
        return _judged(await probe.call(service, change(await probe.request(service))), of, fix)

    return check


async def _typed(probe: Probe) -> Sequence[Told]:
    answer = await probe.answered()
    if answer.status != 200:
        return untested(f"the call was answered with {answer.status}", answer.number)
    got = answer.header("content-type") or "no Content-Type"
    if "json" in got:
        return passed("cards are sent as JSON", answer.number)
    said, fix = "cards are not sent as JSON", "send cards with Content-Type: application/json"
    return failed(said, answer.number, expected="application/json", got=got, path="Content-Type", fix=fix)


async def _with_null(probe: Probe) -> Sequence[Told]:
    """Send null for a list that is empty; where none is, for every key, which may be 412."""
    service = await _answering(probe)
    body = await probe.request(service)
    sent: Json = body["prefetch"]
    if not sent:
        return untested("the service asks for no prefetch that the synthetic EHR has")
    empty = [key for key, value in sent.items() if value.get("type") == "searchset" and not value.get("entry")]
    answer = await probe.call(service, {**body, "prefetch": {**sent, **dict.fromkeys(empty[:1] or sent)}})
    said = "a call with null for an empty list" if empty else "a call with null for every prefetch key"
    if answer.status == 412 and not empty:
        return passed(f"{said} is 412: what is needed is not there", answer.number)
    if answer.status >= 500:
        message = f"{said} makes the service fail"
        fix = "read null in prefetch as: the EHR has nothing for this key"
        expected, got = '200 and {"cards": […]}', str(answer.status)
        return failed(message, answer.number, expected=expected, got=got, path="$.prefetch", fix=fix)
    return _judged(answer, said)


async def _fast(probe: Probe) -> Sequence[Told]:
    service = await probe.service("patient-view")
    body = await probe.request(service)
    answers = [await probe.call(service, body) for _ in range(_TIMES)]
    good = sorted(one.took_ms for one in answers if one.status == 200)
    numbers = tuple(one.number for one in answers)
    if not good:
        return untested("no call succeeded, so none was timed", *numbers)
    middle, slow = good[len(good) // 2], good[-1]
    said = f"{len(good)} calls: p50 {middle:.0f} ms, slowest {slow:.0f} ms"
    if middle <= _BUDGET_MS:
        return passed(said, *numbers)
    fix = "look where the time goes: a clinician waits for this, and EHRs give up"
    return warned(said, *numbers, expected=f"p50 ≤ {_BUDGET_MS:.0f} ms", got=f"{middle:.0f} ms", fix=fix)


def _check(name: str, title: str, of: str, unknown: str, change: Callable[[Json], Json]) -> Check[Probe]:
    judge = _changed(of, f"ignore {unknown} that the service does not know", change)
    return Check(f"calls.{name}", title, _GROUP, must.R3, "blocks-start", "service-team", judge)


CHECKS: tuple[Check[Probe], ...] = (
    Check("calls.good", "A good call gets cards", _GROUP, must.A1, "blocks-start", "service-team", _good),
    Check("calls.json", "Cards are JSON", _GROUP, must.T1, "degrades", "service-team", _typed),
    _check("unknown-fields", "Unknown fields are tolerated", "a call with unknown fields", "fields",
           lambda body: {**body, "novel": {"x": 1}}),
    _check("extension", "Extensions are tolerated", "a call with an extension", "extensions",
           lambda body: {**body, "extension": {"org.example.x": {"y": True}}}),
    Check("calls.null-prefetch", "Null in prefetch is tolerated", _GROUP, must.P6, "degrades", "service-team",
          _with_null),
    replace(
        _check("unknown-prefetch", "Prefetch that was not asked for is tolerated",
               "a call with another key in prefetch", "prefetch keys", lambda body: {
                   **body, "prefetch": {**body["prefetch"], "unasked": {"resourceType": "Bundle", "type": "searchset"}}
               }),
        consequence="degrades",
    ),
    Check("calls.time", "Answers come in time", _GROUP, must.P11, "degrades", "service-team", _fast,
          frozenset({"slow"})),
)  # fmt: skip
