"""The kick-off: what is declared, what begins an export, and what is refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.suites.bulk import requirements as must
from conformance.suites.bulk.probe import NDJSON, Probe, location
from conformance.suites.ehr.answers import got, is_outcome
from conformance.suites.ehr.listings import Json

_GROUP = "kick-off"
_NAMES = {"system": "", "patient": "Patient", "group": "Group"}
_OPERATION = "/uv/bulkdata/OperationDefinition/"


async def _declared(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.rest.capability()
    named = [level for level in _NAMES if _declares(found, level)]
    if named:
        return passed(f"export is declared for: {', '.join(named)}", answer.number)
    *_, first = await probe.first()
    works = first.status == 202
    fix = "declare the operation export under rest.operation, and of Patient and Group under their operation"
    path = "$.rest[0].resource[?(@.type=='Patient')].operation"
    if works:
        return warned("an export works, and is not declared", answer.number, first.number, expected="declared",
                      got="not declared", path=path, fix=fix)  # fmt: skip
    return failed("no export is declared, and none is begun", answer.number, first.number, expected="declared",
                  got=got(first), path=path, fix=fix)  # fmt: skip


def _declares(found: Json, level: str) -> bool:
    rest = [cast("Json", one) for one in cast("list[Any]", found.get("rest") or []) if isinstance(one, dict)]
    holders = rest if level == "system" else [one for part in rest for one in _objects(part.get("resource"))
                                              if one.get("type") == _NAMES[level]]  # fmt: skip
    return any(
        _OPERATION in str(one.get("definition")) or one.get("name") in ("export", "$export")
        for holder in holders
        for one in _objects(holder.get("operation"))
    )


def _objects(held: Any) -> list[Json]:
    listed = cast("list[Any]", held) if isinstance(held, list) else []
    return [cast("Json", one) for one in listed if isinstance(one, dict)]


def _level(level: str) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        if level == "group" and not probe.group:
            raise Untested("no group was named (--group)")
        _, found = await probe.rest.capability()
        if level != "group" and not _declares(found, level):
            raise Untested(f"an export of the {level} level is not declared")
        answer = probe.rest.let_in(await probe.kick_off(probe.levels[level], "_type=Patient"))
        if answer.status == 403:
            raise Untested(f"the client may not export at the {level} level ({got(answer)})", (answer.number,))
        if answer.status != 202:
            *_, first = await probe.first()
            if first.status == answer.status:
                raise Untested("no export of any level is begun (see export.accepted)", (answer.number,))
            fix = f"serve {_NAMES[level] or '[base]'}/$export, or take it out of the CapabilityStatement"
            return failed(f"the {level} export is declared and not begun", answer.number, expected="202",
                          got=got(answer), fix=fix)  # fmt: skip
        await probe.delete(location(answer)) if location(answer) else None
        return passed(f"an export of the {level} level is begun", answer.number)

    return check


async def _accepted(probe: Probe) -> Sequence[Told]:
    *_, answer = await probe.first()
    place = answer.header("content-location")
    if answer.status != 202:
        fix = "answer GET [base]/Patient/$export with Prefer: respond-async with 202, and grant the client its types"
        if answer.status == 200:
            fix = "answer with 202 and Content-Location at once, and with the data in files"
        return failed(
            "no export is begun", answer.number, expected="202 with Content-Location", got=got(answer), fix=fix
        )
    if not place:
        fix = "name the address of the status in Content-Location"
        return failed("a kick-off does not say where its status is", answer.number, expected="Content-Location",
                      got="no such header", path="Content-Location", fix=fix)  # fmt: skip
    if not location(answer):
        fix = "write Content-Location with scheme and host"
        return failed("Content-Location is no absolute address", answer.number, expected="https://…", got=place[:40],
                      path="Content-Location", fix=fix)  # fmt: skip
    if not probe.at_home(place):
        fix = "serve the status on the FHIR base's own host; a client keeps its token from any other"
        return failed("the status is on another host, and no token is sent there", answer.number,
                      path="Content-Location", fix=fix)  # fmt: skip
    return passed("a kick-off is answered with 202 and Content-Location", answer.number)


async def _no_token(probe: Probe) -> Sequence[Told]:
    path, *_ = await probe.way()
    if probe.session.token is None:
        raise Untested("there is no token in this run (neither --client-id nor --token), so none could be left out")
    answer = await probe.kick_off(path, "_type=Patient", token=False)
    if answer.status == 401:
        return passed("a kick-off without a token is refused", answer.number)
    if 400 <= answer.status < 500:
        fix = "answer 401, so that a client knows to ask for a token"
        return warned("a kick-off without a token is refused otherwise", answer.number, expected="401", got=got(answer),
                      fix=fix)  # fmt: skip
    fix = "ask for a token before anything is exported: everybody's record was given to nobody"
    return failed("a kick-off without a token is taken", answer.number, expected="401", got=got(answer), fix=fix)


async def _outcome(probe: Probe) -> Sequence[Told]:
    answer = await _unwritten(probe)
    if answer.status < 400:
        raise Untested("nothing was refused, so no refusal was seen", (answer.number,))
    if is_outcome(answer):
        return passed("a refusal is an OperationOutcome", answer.number)
    fix = "answer what is refused with an OperationOutcome whose issue has a code"
    shown = f"{answer.status} {answer.header('content-type') or 'without a body'}"
    return failed("a refusal is no OperationOutcome", answer.number, expected="OperationOutcome", got=shown, fix=fix)


async def _formats(probe: Probe) -> Sequence[Told]:
    path, *_ = await probe.way()
    said: list[Told] = []
    numbers: list[int] = []
    for name in (NDJSON, "application/ndjson", "ndjson"):
        answer = await probe.kick_off(path, f"_outputFormat={name.replace('+', '%2B')}&_type=Patient")
        numbers.append(answer.number)
        if answer.status != 202:
            fix = f"take _outputFormat={name}: all three names of NDJSON are required"
            said += failed(f"_outputFormat={name} is refused", answer.number, expected="202", got=got(answer), fix=fix)
        elif place := location(answer):
            await probe.delete(place)
    return said or passed("NDJSON is taken by all its names", *numbers)


async def _other_format(probe: Probe) -> Sequence[Told]:
    answer = await _unwritten(probe)
    if 400 <= answer.status < 500:
        return passed("a format that is not written is refused", answer.number)
    fix = "refuse formats that are not written with 400; a client that asked for CSV reads NDJSON as if it were"
    return warned("_outputFormat=text/csv is taken", answer.number, expected="400", got=got(answer), fix=fix)


async def _unwritten(probe: Probe) -> Exchange:
    """Return the answer to a kick-off for a format that nobody writes; asked for once."""
    path, *_ = await probe.way()

    async def ask() -> Exchange:
        answer = await probe.kick_off(path, "_outputFormat=text%2Fcsv&_type=Patient")
        if place := location(answer):
            await probe.delete(place)
        return answer

    return await probe.session.once("unwritten format", ask)


CHECKS: tuple[Check[Probe], ...] = (
    Check("export.declared", "It is declared", _GROUP, must.K1, "information", "ehr-team", _declared),
    Check("export.accepted", "202 with Content-Location", _GROUP, must.K2, "blocks-start", "ehr-team", _accepted),
    *(
        Check(f"export.{name}", f"Level: {name}", _GROUP, must.K2, "degrades", "ehr-team", _level(name))
        for name in _NAMES
    ),
    Check("export.no-token", "Not without a token", _GROUP, must.K3, "blocks-start", "ehr-team", _no_token),
    Check("export.outcome", "Refusals are OperationOutcomes", _GROUP, must.K4, "degrades", "ehr-team", _outcome),
    Check("export.formats", "Names of NDJSON", _GROUP, must.K5, "degrades", "ehr-team", _formats),
    Check("export.other-format", "Other formats", _GROUP, must.K6, "information", "ehr-team", _other_format),
)
