"""The files: how they are sent, line by line, and to whom."""

from collections.abc import Sequence

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.suites.bulk import requirements as must
from conformance.suites.bulk.lines import Lines
from conformance.suites.bulk.probe import NDJSON, Probe
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.listings import Json

_GROUP = "files"


async def _kind(probe: Probe) -> Sequence[Told]:
    for one, held in await _files(probe):
        kind = held.exchange.header("content-type").partition(";")[0].strip()
        if held.exchange.status != 200:
            fix = "serve every file of the manifest until Expires, with the token of the kick-off"
            return failed(f"the file of {one['type']} is not sent", held.exchange.number, expected="200",
                          got=got(held.exchange), fix=fix)  # fmt: skip
        if kind != NDJSON:
            fix = f"send files as {NDJSON}"
            return failed("a file is sent as something else", held.exchange.number, expected=NDJSON,
                          got=kind or "no Content-Type", path="Content-Type", fix=fix)  # fmt: skip
    return passed(f"{len(await _files(probe))} files are sent as {NDJSON}")


async def _lines(probe: Probe) -> Sequence[Told]:
    said, seen = list[Told](), 0
    for one, held in await _files(probe):
        seen += len(held.resources)
        if held.bad:
            fix = "write each resource on one line, without line breaks inside it"
            said += failed(f"{len(held.bad)} lines in the file of {one['type']} are no resource", held.exchange.number,
                           expected="a JSON object a line", path=f"line {held.bad[0]}", fix=fix)  # fmt: skip
        others = {str(r["resourceType"]) for r in held.resources} - {one["type"]}
        if others:
            fix = "keep each file to the type that the manifest names"
            said += failed(f"the file of {one['type']} holds other types", held.exchange.number,
                           expected=str(one["type"]), got=", ".join(sorted(others)[:3]), path="$.resourceType",
                           fix=fix)  # fmt: skip
        if any(not isinstance(r.get("id"), str) for r in held.resources):
            fix = "send the id with every resource: without one nothing can be updated by the next export"
            said += failed(f"resources in the file of {one['type']} have no id", held.exchange.number, expected="id",
                           path="$.id", fix=fix)  # fmt: skip
    return said[:4] or passed(f"{seen} lines, each one resource of its file's type")


async def _counts(probe: Probe) -> Sequence[Told]:
    said, seen = list[Told](), 0
    for one, held in await _files(probe):
        count = one.get("count")
        if isinstance(count, int) and held.exchange.status == 200 and not held.bad:  # bad lines: files.lines
            seen += 1
            lines = len(held.resources)
            if lines != count:
                fix = "count the lines of the file; a client takes a shorter one for a download that was cut"
                said += failed(f"the file of {one['type']} has another number of lines than the manifest says",
                               held.exchange.number, expected=str(count), got=str(lines), path="$.output[*].count",
                               fix=fix)  # fmt: skip
    if not seen:
        raise Untested("the manifest counts nothing")
    return said[:3] or passed(f"{seen} files have the lines that the manifest says")


async def _token(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    listed = [str(one["url"]) for one in done.output() if probe.at_home(str(one["url"]))]
    if not listed or probe.session.token is None:
        raise Untested("there is no file, or no token in this run that could be left out", done.numbers)
    answer = await probe.file(listed[0], token=False)
    if done.manifest.get("requiresAccessToken") is not True:
        if answer.status == 200:
            fix = "say requiresAccessToken true and ask for it, unless the address itself is a secret that ends soon"
            return warned("files are sent to whoever has their address", answer.number, expected="401", got="200",
                          path="$.requiresAccessToken", fix=fix)  # fmt: skip
        fix = "say requiresAccessToken true: without it a client sends none"
        return failed("files ask for a token, and the manifest does not say so", answer.number, expected="200",
                      got=got(answer), path="$.requiresAccessToken", fix=fix)  # fmt: skip
    if answer.status in (401, 403):
        return passed("a file without a token is refused", answer.number)
    fix = "ask for the token that the manifest says is needed: these are everybody's records"
    return failed("a file is sent without a token", answer.number, expected="401", got=got(answer),
                  path="$.requiresAccessToken", fix=fix)  # fmt: skip


async def _host(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    away = [one for one in done.output() if not probe.at_home(str(one["url"]))]
    if not away:
        return passed("every file is on the FHIR base's own host", *done.numbers)
    fix = "serve files on the FHIR base's host, or with addresses that need no token (requiresAccessToken false)"
    said = f"{len(away)} files are on another host; no token is sent there, so they were not read"
    return failed(said, *done.numbers, expected="the FHIR base's host", path="$.output[*].url", fix=fix)


async def _files(probe: Probe) -> list[tuple[Json, Lines]]:
    done = await probe.done()
    found = await probe.files(done)
    if not found:
        raise Untested("no file could be asked for", done.numbers)
    return found


CHECKS: tuple[Check[Probe], ...] = (
    Check("files.type", "Sent as NDJSON", _GROUP, must.F1, "degrades", "ehr-team", _kind),
    Check("files.lines", "A line is a resource", _GROUP, must.F2, "blocks-start", "ehr-team", _lines),
    Check("files.count", "As many as counted", _GROUP, must.F3, "degrades", "ehr-team", _counts),
    Check("files.token", "Not without a token", _GROUP, must.F4, "blocks-start", "ehr-team", _token),
    Check("files.host", "On the same host", _GROUP, must.F5, "blocks-start", "ehr-team", _host),
)
