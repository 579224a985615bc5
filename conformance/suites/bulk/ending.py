"""The end of an export: cancelled while it goes on, and given back when it is done."""

from collections.abc import Sequence

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.suites.bulk import requirements as must
from conformance.suites.bulk.probe import Probe, location
from conformance.suites.ehr.answers import fails, got

_GROUP = "end"
_GONE = (404, 410)


async def _cancel(probe: Probe) -> Sequence[Told]:
    place = location(await probe.accepted("_type=Patient"))
    ended = await probe.delete(place)
    after = await probe.status(place)
    return _judged("an export", ended, after)


async def _given_back(probe: Probe) -> Sequence[Told]:
    place = location(await probe.accepted("_type=Patient"))
    polls = await probe.polls(place)
    ended = await probe.delete(place)
    after = await probe.status(place)
    what = "an export that is done" if polls[-1].status == 200 else "an export"
    return _judged(what, ended, after)


def _judged(what: str, ended: Exchange, after: Exchange) -> Sequence[Told]:
    numbers = ended.number, after.number
    if ended.status not in (200, 202, 204):
        fix = "answer DELETE at the status address with 202"
        if ended.status in (401, 403):
            fix = "let the client that began an export end it, with the token that began it: reading is all it needs"
        return failed(f"{what} cannot be cancelled", *numbers, expected="202", got=got(ended), fix=fix)
    if fails(after):
        raise Untested(f"the status fails afterwards ({got(after)}), so nobody knows", numbers)
    if after.status not in _GONE:
        fix = "answer 404 at the status address from then on, and stop the work"
        return failed(f"{what} goes on after it was cancelled", *numbers, expected="404", got=got(after), fix=fix)
    if ended.status != 202:
        fix = "answer DELETE with 202, as the standard has it"
        return warned(
            f"{what} is cancelled with {ended.status}", *numbers, expected="202", got=str(ended.status), fix=fix
        )
    return passed(f"{what} is given back: 202, then {after.status}", *numbers)


CHECKS: tuple[Check[Probe], ...] = (
    Check("end.cancel", "It can be cancelled", _GROUP, must.E1, "degrades", "ehr-team", _cancel),
    Check("end.given-back", "It can be given back", _GROUP, must.E2, "information", "ehr-team", _given_back),
)
