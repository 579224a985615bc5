"""Browsers of other origins: who is let in."""

from collections.abc import Sequence

from conformance.checks import Acts, Check, Told, Untested, failed, passed
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Probe

_GROUP = "browsers"
_STRANGER = "https://stranger.example"
_SENT = "authorization,content-type"


async def _known(probe: Probe) -> Sequence[Told]:
    """The EHR's own pages: a preflight, then a call, each with its origin."""
    if not probe.origin:
        raise Untested("no origin was given (--origin), so it was not tried whether the EHR's own pages are let in")
    service = await probe.service("patient-view")
    path = f"/cds-services/{service['id']}"
    asked = await probe.send("OPTIONS", path, headers=_asking(probe.origin), token=None)
    called = await probe.post(service, await probe.request(service), headers={"origin": probe.origin})
    for answer, of in ((asked, "preflight"), (called, "call")):
        allowed = answer.header("access-control-allow-origin")
        if allowed not in (probe.origin, "*"):
            ours = await probe.is_ours()
            said = f"a {of} of the EHR's own pages is not let in"
            fix = f"add {probe.origin} to the allowed origins"
            fix += " in the settings ([[ehr]] origins)" if ours else ""
            acts: Acts | None = "integration-engineer" if ours else None
            place = "Access-Control-Allow-Origin"
            got = allowed or f"{answer.status} without the header"
            return (Told("fail", said, probe.origin, got, place, fix, acts, (answer.number,)),)
    sent = asked.header("access-control-allow-headers").lower()
    # A star stands for every header but Authorization (https://fetch.spec.whatwg.org/#http-access-control-allow-headers).
    lacking = [one for one in _SENT.split(",") if one not in sent and (sent != "*" or one == "authorization")]
    if lacking:
        said, place = f"pages of the EHR may not send {', '.join(lacking)}", "Access-Control-Allow-Headers"
        fix = f"allow the headers {', '.join(_SENT.split(','))}"
        return failed(said, asked.number, expected=_SENT, got=sent or "no header", path=place, fix=fix)
    return passed("the EHR's own pages are let in", asked.number, called.number)


async def _preflight(probe: Probe) -> Sequence[Told]:
    answer = await probe.send("OPTIONS", "/cds-services", headers=_asking(_STRANGER), token=None)
    return _judged(answer, "a preflight")


def _asking(origin: str) -> dict[str, str]:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": _SENT}
    return {"origin": origin, **asked}


async def _error(probe: Probe) -> Sequence[Told]:
    service = await probe.service("patient-view")
    answer = await probe.post(service, b"{", headers={"origin": _STRANGER})
    return _judged(answer, "a refused call")


def _judged(answer: Exchange, of: str) -> Sequence[Told]:
    allowed, with_credentials = (
        answer.header("access-control-allow-origin"),
        answer.header("access-control-allow-credentials"),
    )
    number = (answer.number,)
    if allowed == _STRANGER or (allowed == "*" and with_credentials == "true"):
        fix = "allow the origins of the hospitals' EHRs by name, and no others"
        return (
            Told("fail", f"{of} of a stranger's page is let in", "no allowance", allowed, fix=fix, exchanges=number),
        )
    if allowed == "*":
        fix = "allow the origins of the hospitals' EHRs by name, unless the service is meant for everybody"
        said = f"{of} of any page is let in, without credentials"
        return (Told("warn", said, "no allowance", "*", "Access-Control-Allow-Origin", fix, exchanges=number),)
    return passed(f"{of} of a stranger's page is not let in", answer.number)


CHECKS: tuple[Check[Probe], ...] = (
    Check("browsers.known", "The EHR's own pages", _GROUP, must.C1, "degrades", "service-team", _known),
    Check("browsers.preflight", "Strangers' preflights", _GROUP, must.C1, "blocks-start", "service-team", _preflight),
    Check("browsers.errors", "Strangers and errors", _GROUP, must.C1, "degrades", "service-team", _error),
)
