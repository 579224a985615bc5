"""A good call in its variants: all of them are answered with cards."""

from collections.abc import Awaitable, Callable, Sequence

from conformance.checks import Check, Told, failed, passed, untested
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe

_GROUP = "calls"
_BUDGET_MS = 500.0
_TIMES = 10


def _judged(answer: Exchange, of: str) -> Sequence[Told]:
    cards = answer.list("cards")
    if answer.status == 200 and cards is not None:
        return passed(f"{of} is answered with {len(cards)} cards", answer.number)
    return failed(
        f"{of} is not answered with cards",
        answer.number,
        expected='200 and {"cards": […]}',
        got=f"{answer.status} {answer.header('content-type')}",
        path="$.cards",
        fix="answer 200 with an object that holds the list cards, empty where there is nothing to say",
    )


async def _good(probe: Probe) -> Sequence[Told]:
    return _judged(await probe.answered(), "a good call")


def _changed(of: str, change: Callable[[Json], Json]) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        service = await probe.service("patient-view")
        return _judged(await probe.call(service, change(await probe.request(service))), of)

    return check


def _with_null(body: Json) -> Json:
    """Return the request with null for a list: the EHR has no data for it."""
    lists = [
        key for key, value in body["prefetch"].items() if value.get("type") == "searchset" and not value.get("entry")
    ]
    return {**body, "prefetch": {**body["prefetch"], **dict.fromkeys(lists[:1])}}


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
    return (Told("pass" if middle <= _BUDGET_MS else "warn", said, f"p50 ≤ {_BUDGET_MS:.0f} ms", exchanges=numbers),)


CHECKS: tuple[Check[Probe], ...] = (
    Check("calls.good", "A good call gets cards", _GROUP, must.A1, "blocks-start", "undersign", _good),
    Check(
        "calls.unknown-fields", "Unknown fields are tolerated", _GROUP, must.R3, "blocks-start", "undersign",
        _changed("a call with unknown fields", lambda body: {**body, "novel": {"x": 1}}),
    ),
    Check(
        "calls.extension", "Extensions are tolerated", _GROUP, must.R3, "blocks-start", "undersign",
        _changed("a call with an extension", lambda body: {**body, "extension": {"org.example.x": {"y": True}}}),
    ),
    Check(
        "calls.null-prefetch", "Null in prefetch is tolerated", _GROUP, must.P6, "degrades", "undersign",
        _changed("a call with null for an empty list", _with_null),
    ),
    Check(
        "calls.unknown-prefetch", "Prefetch that was not asked for is tolerated", _GROUP, must.R3, "degrades",
        "undersign",
        _changed("a call with another key in prefetch", lambda body: {
            **body, "prefetch": {**body["prefetch"], "unasked": {"resourceType": "Bundle", "type": "searchset"}}
        }),
    ),
    Check("calls.time", "Answers come in time", _GROUP, must.P11, "degrades", "undersign", _fast, frozenset({"slow"})),
)  # fmt: skip
