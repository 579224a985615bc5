"""The status and the manifest: waited for as the server says, whole, and for this client only."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.suites.bulk import requirements as must
from conformance.suites.bulk.probe import Probe, instant_of, location, wait_of
from conformance.suites.ehr.answers import fails, got
from conformance.wording import counted
from fhir_adapters import dates

_GROUP = "status and manifest"
_LONGEST_WORDS = 100  # characters of X-Progress, in the standard
# http://hl7.org/fhir/uv/bulkdata/export.html: what every manifest has, and as what.
_WHOLE: Mapping[str, tuple[type, str]] = {
    "transactionTime": (str, "an instant"),
    "requiresAccessToken": (bool, "true or false"),
    "output": (list, "a list"),
    "error": (list, "a list, empty where nothing went wrong"),
}


async def _ends(probe: Probe) -> Sequence[Told]:
    found = await probe.ended()
    polls = found.polls
    last, numbers = polls[-1], (found.kick_off.number, *(one.number for one in polls[:6]))
    if last.status == 202:
        fix = "end the export, or say in Retry-After how long it takes; this run waited for two minutes in all"
        return failed("the export does not end in time", *numbers, expected="200", got=got(last), fix=fix)
    if last.status != 200:
        fix = "see the server's own words; an export that cannot be finished is 5xx with an OperationOutcome"
        return failed("the export fails", *numbers, expected="200", got=got(last), fix=fix)
    for one in polls[:-1]:
        if one.header("retry-after") and wait_of(one) is None:
            fix = "write seconds or an HTTP date into Retry-After"
            return failed("Retry-After is no time", one.number, expected="seconds, or an HTTP date",
                          got=one.header("retry-after")[:20], path="Retry-After", fix=fix)  # fmt: skip
        if len(one.header("x-progress")) >= _LONGEST_WORDS:
            fix = "keep X-Progress below 100 characters"
            return warned("X-Progress is long", one.number, expected="fewer than 100 characters",
                          got=str(len(one.header("x-progress"))), path="X-Progress", fix=fix)  # fmt: skip
    silent = [one.number for one in polls[:-1] if not one.header("retry-after")]
    if silent:
        fix = "send Retry-After with 202, or clients guess when to come again"
        return warned("a status does not say when to come again", *silent, expected="Retry-After", got="none", fix=fix)
    return passed(f"the export ends after {len(polls)} status requests", *numbers)


async def _token(probe: Probe) -> Sequence[Told]:
    kicked = await probe.accepted()
    if probe.session.token is None:
        raise Untested("there is no token in this run, so none could be left out")
    answer = await probe.status(location(kicked), token=False)
    if answer.status in (401, 403, 404):
        return passed(f"a status without a token is refused ({answer.status})", answer.number)
    if fails(answer):
        raise Untested(f"the status fails ({got(answer)}), so it was not refused either", (answer.number,))
    fix = "ask for the token of the kick-off: the manifest leads to everybody's record"
    return failed("a status is told without a token", answer.number, expected="401", got=got(answer), fix=fix)


async def _manifest(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    last, found = done.polls[-1], done.manifest
    if not found or "json" not in last.header("content-type"):
        fix = "send the manifest as application/json"
        return failed("the manifest is no JSON", last.number, expected="application/json",
                      got=last.header("content-type") or "no Content-Type", fix=fix)  # fmt: skip
    for name, (kind, what) in _WHOLE.items():
        if not isinstance(found.get(name), kind):
            fix = f"send {name} with every manifest: {what}"
            shown = "absent" if name not in found else type(found[name]).__name__
            return failed(
                f"the manifest has no {name}", last.number, expected=what, got=shown, path=f"$.{name}", fix=fix
            )
    if dates.moment(str(found["transactionTime"])) is None:
        fix = "write transactionTime with date, time and zone: it is the _since of the next export"
        return failed(
            "transactionTime is no instant", last.number, expected="an instant", path="$.transactionTime", fix=fix
        )
    bad = [n for n, one in enumerate(found["output"]) if not _is_file(one)]
    if bad:
        fix = "give every file a type and an absolute url"
        return failed("a file of the manifest has no type or no address", last.number, expected="type, url",
                      path=f"$.output[{bad[0]}]", fix=fix)  # fmt: skip
    return passed(f"the manifest is whole: {len(found['output'])} files", last.number)


def _is_file(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("type", "url"))  # pyright: ignore[reportUnknownMemberType]


async def _request(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    asked, told = done.kick_off.asked.url, str(done.manifest.get("request", ""))
    number = done.polls[-1].number
    if not told:
        fix = "name the kick-off's address as request (Bulk Data Access 2; later versions leave it out)"
        return warned("the manifest does not name its request", number, expected="request", path="$.request", fix=fix)
    if told.partition("?")[0] != asked.partition("?")[0]:
        fix = "name the address that was asked for, as the client sees it (a proxy's address, not the server's own)"
        return warned("the manifest names another request", number, expected=asked.partition("?")[0],
                      got=told.partition("?")[0], path="$.request", fix=fix)  # fmt: skip
    return passed("the manifest names its request", number)


async def _expires(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    last = done.polls[-1]
    text = last.header("expires")
    if not text:
        raise Untested("the manifest does not say until when its files are there", (last.number,))
    ends, now = instant_of(text), instant_of(last.header("date")) or probe.rest.now
    if ends is None:
        fix = "write Expires as an HTTP date"
        return failed(
            "Expires is no date", last.number, expected="an HTTP date", got=text[:20], path="Expires", fix=fix
        )
    if ends <= now:
        fix = "let files be there for some time after the manifest, and say so"
        return failed(
            "files end before they can be read", last.number, expected="later than now", path="Expires", fix=fix
        )
    if ends - now < timedelta(minutes=5):
        fix = "let files be there for an hour at the least"
        return warned("files are there for less than five minutes", last.number, path="Expires", fix=fix)
    return passed(f"files are there for {(ends - now).total_seconds() / 60:.0f} minutes", last.number)


async def _errors(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    listed = done.polls[-1].list("error") or ()
    if not listed:
        return passed("no error is listed", done.polls[-1].number)
    fix = "look at the OperationOutcomes in the error files: what they name is not in the export"
    said = f"{counted(len(listed), 'error file')} in the manifest"
    return warned(said, *done.numbers, expected="none", got=str(len(listed)), path="$.error", fix=fix)


CHECKS: tuple[Check[Probe], ...] = (
    Check("status.ends", "It ends, and says when", _GROUP, must.S1, "blocks-start", "ehr-team", _ends),
    Check("status.token", "Not without a token", _GROUP, must.S2, "blocks-start", "ehr-team", _token),
    Check("status.manifest", "The manifest is whole", _GROUP, must.S3, "blocks-start", "ehr-team", _manifest),
    Check("status.request", "It names its request", _GROUP, must.S4, "information", "ehr-team", _request),
    Check("status.expires", "Expires", _GROUP, must.S5, "information", "ehr-team", _expires),
    Check("status.errors", "Errors", _GROUP, must.S6, "degrades", "ehr-team", _errors),
)
