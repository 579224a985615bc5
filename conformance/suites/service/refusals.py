"""Bad calls: each is refused with a 4xx that says why, never answered with cards, never a 5xx."""

import copy
import json
from collections.abc import Awaitable, Callable, Sequence

from conformance.checks import Check, Requirement, Told, failed, passed, untested, warned
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe

_GROUP = "refusals"
_HOOKS = ("order-sign", "order-select", "encounter-discharge", "appointment-book")
Make = Callable[[Json], Json | bytes]


def refused(answer: Exchange, what: str, *, ours: bool = True) -> Sequence[Told]:
    """Judge an answer that has to be a refusal; ``ours`` says why in an OperationOutcome, which 2.0 does not ask."""
    got, number = str(answer.status), answer.number
    if answer.status == 200:
        fix = f"refuse {what} with 400"
        return failed(f"{what} was answered as if it were good", number, expected="a 4xx", got=got, fix=fix)
    if answer.status >= 500:
        fix = "check the request before it is used; 5xx says that the service is at fault"
        return failed(f"{what} made the service fail", number, expected="a 4xx", got=got, fix=fix)
    if answer.status < 400:
        fix = "answer with a 4xx: a client takes this for an answer"
        return failed(f"{what} is answered with {got}", number, expected="a 4xx", got=got, fix=fix)
    if ours and answer.object().get("resourceType") != "OperationOutcome":
        fix = "say why in an OperationOutcome"
        return warned(f"{what} is refused without saying why", number, got=answer.header("content-type"), fix=fix)
    return passed(f"{what} is refused with {got}", number)


def _bad(what: str, make: Make, *, strict: bool = False) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        if strict:
            await probe.ask_ours()
        service = await probe.service("patient-view")
        answer = await probe.call(service, make(await probe.request(service)))
        return refused(answer, what, ours=await probe.is_ours())

    return check


def _without(*path: str) -> Make:
    def make(body: Json) -> Json:
        found = copy.deepcopy(body)
        holder = found
        for name in path[:-1]:
            holder = holder[name]
        del holder[path[-1]]
        return found

    return make


def _twice(body: Json) -> bytes:
    return json.dumps(body).encode()[:-1] + b', "hook": "order-sign"}'


async def _other_hook(probe: Probe) -> Sequence[Told]:
    """Call with a hook that the id is not listed for: one id may stand under several."""
    service = await probe.service("patient-view")
    listed = {one.get("hook") for one in await probe.services() if one.get("id") == service["id"]}
    other = next(one for one in _HOOKS if one not in listed)
    return await _bad("a call of another hook", lambda body: {**body, "hook": other})(probe)


async def _unknown(probe: Probe) -> Sequence[Told]:
    body = json.dumps(await probe.request(await probe.service("patient-view"))).encode()
    answer = await probe.send("POST", "/cds-services/no-such-service-here", body)
    if answer.status == 404:
        return passed("an unknown service is 404", answer.number)
    if answer.status == 401:
        return passed("an unknown service is 401: who may not call is not told what there is", answer.number)
    fix = "answer 404 where no service has the id"
    return failed("an unknown service is not 404", answer.number, expected="404", got=str(answer.status), fix=fix)


async def _lacking(probe: Probe) -> Sequence[Told]:
    service = await probe.service("patient-view")
    if not service.get("prefetch"):
        return untested("the service asks for no prefetch")
    body = await probe.request(service)
    answer = await probe.call(service, {name: value for name, value in body.items() if name != "prefetch"})
    if not await probe.is_ours() and answer.status in (200, 412):
        return _lacking_elsewhere(answer)
    if answer.status == 412:
        named = [key for key in service["prefetch"] if key.encode() in answer.body]
        if named:
            return passed(f"without prefetch and fhirServer it is 412 and names {', '.join(named)}", answer.number)
        fix = "name the key, its template and the search that would fill it"
        return warned("412 does not say which key is missing", answer.number, fix=fix)
    if answer.status == 200 and answer.object() == {"cards": []}:
        said = "without any data it answers an empty list, which nobody can tell from nothing to say"
    else:
        said = "missing data are not answered with 412"
    fix = "answer 412 and name what is missing"
    return failed(said, answer.number, expected="412", got=str(answer.status), fix=fix)


def _lacking_elsewhere(answer: Exchange) -> Sequence[Told]:
    """Judge another's service, of which nobody outside knows what it cannot do without."""
    if answer.status == 412:
        return passed("without prefetch and fhirServer it is 412", answer.number)
    if answer.list("cards"):
        return passed("it has something to say without prefetch, so it needs none", answer.number)
    said = "without any data it answers an empty list, which nobody can tell from nothing to say"
    fix = "where the service needs what it asks for in prefetch, answer 412; else leave it as it is"
    return warned(said, answer.number, expected="412, or a card", got="200", path="$.cards", fix=fix)


def _check(
    name: str, title: str, requirement: Requirement, what: str, make: Make, *, strict: bool = False
) -> Check[Probe]:
    judge = _bad(what, make, strict=strict)
    return Check(f"refusals.{name}", title, _GROUP, requirement, "blocks-start", "service-team", judge)


CHECKS: tuple[Check[Probe], ...] = (
    Check("refusals.unknown-service", "Unknown services are 404", _GROUP, must.D1, "degrades", "service-team",
          _unknown),
    Check("refusals.no-data", "Missing data are 412", _GROUP, must.P9, "blocks-start", "service-team", _lacking),
    _check("not-json", "No JSON is refused", must.T1, "a body that is no JSON", lambda _: b"{"),
    _check("list", "A list is refused", must.R1, "a body that is a list", lambda _: b"[]"),
    _check("no-instance", "hookInstance is needed", must.R1, "a call without hookInstance", _without("hookInstance")),
    _check("no-context", "context is needed", must.R1, "a call without context", _without("context")),
    _check("no-patient", "patientId is needed", must.R1, "a call without patientId", _without("context", "patientId")),
    Check("refusals.other-hook", "The hook is compared", _GROUP, must.R1, "blocks-start", "service-team", _other_hook),
    _check("empty-patient", "An empty patientId is refused", must.S6, "a call with an empty patientId",
           lambda b: {**b, "context": {**b["context"], "patientId": ""}}, strict=True),
    _check("not-a-number", "NaN is refused", must.S6, "a body with NaN",
           lambda b: json.dumps({**b, "novel": float("nan")}).encode(), strict=True),
    _check("twice", "A name that stands twice is refused", must.S6, "a body with hook twice", _twice, strict=True),
)  # fmt: skip
