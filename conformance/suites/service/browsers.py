"""Browsers of other origins: who is let in."""

from collections.abc import Sequence

from conformance.checks import Check, Told, passed
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Probe

_GROUP = "browsers"
_STRANGER = "https://stranger.example"


async def _preflight(probe: Probe) -> Sequence[Told]:
    headers = {
        "origin": _STRANGER,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return _judged(await probe.send("OPTIONS", "/cds-services", headers=headers, token=None), "a preflight")


async def _error(probe: Probe) -> Sequence[Told]:
    service = await probe.service("patient-view")
    answer = await probe.call(service, b"{", headers={"origin": _STRANGER})
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
        return (Told("warn", f"{of} of any page is let in, without credentials", got="*", exchanges=number),)
    return passed(f"{of} of a stranger's page is not let in", answer.number)


CHECKS: tuple[Check[Probe], ...] = (
    Check("browsers.preflight", "Strangers' preflights", _GROUP, must.C1, "blocks-start", "undersign", _preflight),
    Check("browsers.errors", "Strangers and errors", _GROUP, must.C1, "degrades", "undersign", _error),
)
