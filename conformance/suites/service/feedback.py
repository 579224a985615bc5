"""Feedback on cards: what an EHR sends back, good and bad."""

import json
from collections.abc import Sequence
from typing import Any

from conformance.checks import Check, Told, Untested, failed, passed
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe
from conformance.suites.service.refusals import refused

_GROUP = "feedback"


async def _card(probe: Probe, person: str) -> tuple[Json, Json]:
    """Return a service and a fresh card of its; Untested where it gives none, or the card has no uuid.

    Each check has a chart of its own: a service may keep silent on a chart after an override.
    """
    service = await probe.service("patient-view")
    answer = await probe.call(service, await probe.request(service, person))
    named = [one for one in answer.list("cards") or () if isinstance(one.get("uuid"), str)]
    if not named:
        raise Untested("the call gave no card with a uuid", (answer.number,))
    return service, named[0]


async def _send(probe: Probe, service: Json, *items: Json) -> Exchange:
    stamped: list[dict[str, Any]] = [
        {"outcomeTimestamp": probe.now.isoformat(timespec="seconds").replace("+00:00", "Z"), **item} for item in items
    ]
    body = json.dumps({"feedback": stamped}).encode()
    answer = await probe.send("POST", f"/cds-services/{service['id']}/feedback", body)
    if answer.status == 401 and probe.client is None:
        raise Untested(probe.without_client(), (answer.number,))
    if answer.status == 404 and b"OperationOutcome" not in answer.body:
        raise Untested("the service has no feedback address, which the standard allows", (answer.number,))
    return answer


def _taken(answer: Exchange, what: str) -> Sequence[Told]:
    if 200 <= answer.status < 300:
        return passed(f"{what} is taken", answer.number)
    fix = "answer 200: clients repeat feedback, and have reasons of their own"
    return failed(f"{what} is refused", answer.number, expected="200", got=str(answer.status), fix=fix)


async def _overridden(probe: Probe) -> Sequence[Told]:
    service, card = await _card(probe, "george-papadakis")
    item: Json = {"card": card["uuid"], "outcome": "overridden", "overrideReason": {"reason": {"code": "local-7"}}}
    return _taken(await _send(probe, service, item), "an override with a reason of the EHR's own list")


async def _repeated(probe: Probe) -> Sequence[Told]:
    service, card = await _card(probe, "jonas-weber")
    item: Json = {"card": card["uuid"], "outcome": "overridden"}
    await _send(probe, service, item)
    return _taken(await _send(probe, service, item), "the same feedback again")


async def _unknown(probe: Probe) -> Sequence[Told]:
    await probe.ask_ours()
    service, _ = await _card(probe, "daniel-okafor")
    item: Json = {"card": "00000000-0000-4000-8000-000000000000", "outcome": "overridden"}
    return refused(await _send(probe, service, item), "feedback on a card that never was")


CHECKS: tuple[Check[Probe], ...] = (
    Check("feedback.overridden", "An override is taken", _GROUP, must.B1, "degrades", "service-team", _overridden),
    Check("feedback.repeated", "A repeat is taken", _GROUP, must.B1, "degrades", "service-team", _repeated),
    Check("feedback.unknown", "An unknown card is refused", _GROUP, must.A3, "degrades", "service-team", _unknown),
)
