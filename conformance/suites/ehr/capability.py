"""The CapabilityStatement: is it whole, does it name what is used, and is it true, both ways?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from conformance.checks import Check, Told, Untested, failed, passed
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.listings import Json, Listing, parameters
from conformance.suites.ehr.probe import TEMPLATES, Probe

_GROUP = "CapabilityStatement"
_NEEDED = ("status", "date", "kind", "fhirVersion", "format", "rest")
_ABSENT = (404, 405, 501)
_RESULTS = ("_count", "_sort", "_include")  # of every server, and rarely declared


async def _whole(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    said = [
        Told("fail", f"{name} is missing", "present", "absent", f"$.{name}", f"add {name}", exchanges=(answer.number,))
        for name in _NEEDED
        if not found.get(name)
    ]
    if not said and not _server(found):
        fix = "describe the server in rest with mode server"
        return failed("rest describes no server", answer.number, path="$.rest[*].mode", fix=fix)
    return said or passed("status, date, kind, version, format and rest are there", answer.number)


async def _json(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    listed: Any = found.get("format")
    formats = [str(one) for one in cast("list[Any]", listed)] if isinstance(listed, list) else []
    if any("json" in one for one in formats):
        return passed("JSON is a format", answer.number)
    fix, shown = "list application/fhir+json", ", ".join(formats) or "none"
    return failed("JSON is not listed", answer.number, expected="json", got=shown, path="$.format", fix=fix)


async def _resources(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    declared = _declared(found)
    said: list[Told] = []
    for key, kind in (await _used(probe)).items():
        wanted = "read" if key == "patient" else "search-type"
        if wanted not in _interactions(declared.get(kind, {})):
            required, works = TEMPLATES[key].required, await _works_all_the_same(probe, key)
            if not required and works is False:
                continue  # neither declared nor there: search.… says what follows
            message = f"{kind} is not declared with {wanted}, and {TEMPLATES[key].holds} would be read by it"
            message += "; a search for it works all the same" if works else ""
            fix = f"declare {wanted} of {kind}{'' if works else ', if it works'}"
            path = f"$.rest[0].resource[?(@.type=='{kind}')].interaction"
            verdict = "fail" if required else "warn"
            said.append(Told(verdict, message, wanted, "not declared", path, fix, exchanges=(answer.number,)))
    return list({one.path: one for one in said}.values()) or passed("every type that is used is declared")


async def _works_all_the_same(probe: Probe, key: str) -> bool | None:
    """Return whether what is not declared answers; False for what is not there, None where it cannot be told."""
    try:
        found = await probe.listing(key, (await probe.patients())[0])
    except Untested:
        return None
    absent = found is not None and found.last.status in _ABSENT
    return False if absent else True if found is not None and not found.stopped else None


async def _parameters(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    declared, lacking = _declared(found), dict[str, list[str]]()
    for key in TEMPLATES:
        request = await probe.asked(key, "x")
        kind = request.query.partition("?")[0] if request and "?" in request.query else ""
        if not kind or kind not in declared:
            continue
        names = _names(declared[kind])
        for name in parameters(request) if request else ():
            if name not in names and name.partition(":")[0] not in _RESULTS:
                lacking.setdefault(kind, []).append(name)
    said = [
        Told("fail", f"{kind} does not declare {', '.join(sorted(set(names)))}", "declared", "not declared",
             f"$.rest[0].resource[?(@.type=='{kind}')].searchParam",
             f"declare {', '.join(sorted(set(names)))} of {kind}, if it works (search.… of this report tells)",
             exchanges=(answer.number,))
        for kind, names in lacking.items()
    ]  # fmt: skip
    return said or passed("every search parameter that is used is declared", answer.number)


async def _works(probe: Probe) -> Sequence[Told]:
    """What is declared answers; what is not there is answered as if it were not declared."""
    _, found = await probe.capability()
    declared, said = _declared(found), list[Told]()
    tried = await _tried(probe)
    for kind, one in tried.items():
        if "search-type" in _interactions(declared.get(kind, {})) and one.last.status in _ABSENT:
            message = f"{kind} is declared, and a search for it answers {one.last.status}"
            fix = f"serve {kind}, or take it out of the CapabilityStatement"
            said += failed(message, one.last.number, expected="200", got=str(one.last.status), fix=fix)
    return said or passed(f"{len(tried)} types that are declared answer")


async def _writing(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.capability()
    orders = _declared(found).get("MedicationRequest", {})
    lacking = [name for name in ("create", "update") if name not in _interactions(orders)]
    lacking += [] if orders.get("conditionalCreate") is True else ["conditionalCreate"]
    lacking += [] if "transaction" in _server_interactions(found) else ["transaction"]
    if not lacking:
        return passed("create, conditional create, update and transaction are declared", answer.number)
    message = f"not declared for orders: {', '.join(lacking)}"
    fix = "if they work, declare them; otherwise choose write_back = card, and orders go by CDS Hooks suggestions"
    path = "$.rest[0].resource[?(@.type=='MedicationRequest')].interaction"
    return (Told("warn", message, "declared", "not declared", path, fix, exchanges=(answer.number,)),)


async def _used(probe: Probe) -> dict[str, str]:
    """Return template → the type that is asked for it in this dialect."""
    found: dict[str, str] = {}
    for key in TEMPLATES:
        request = await probe.asked(key, "x")
        if request is not None:
            found[key] = request.query.partition("?")[0].partition("/")[0]
    return found


async def _tried(probe: Probe) -> Mapping[str, Listing]:
    """Return type → the first search for it; Untested where none could be made."""
    first, found = (await probe.patients())[0], dict[str, Listing]()
    for key, kind in (await _used(probe)).items():
        if key != "patient" and kind not in found:
            one = await probe.listing(key, first)
            if one is not None:
                found[kind] = one
    if all(one.last.status in (401, 403) for one in found.values()):
        raise Untested("no search was allowed, so what is declared was not compared with what works")
    return found


def _server(found: Json) -> Json:
    held: Any = found.get("rest")
    rest = cast("list[Any]", held) if isinstance(held, list) else []
    servers = [cast("Json", one) for one in rest if isinstance(one, dict)]
    return next((one for one in servers if one.get("mode") == "server"), dict[str, Any]())


def _declared(found: Json) -> Mapping[str, Json]:
    return {str(one.get("type")): one for one in _objects(_server(found), "resource")}


def _server_interactions(found: Json) -> set[str]:
    return {str(one.get("code")) for one in _objects(_server(found), "interaction")}


def _interactions(resource: Json) -> set[str]:
    return {str(one.get("code")) for one in _objects(resource, "interaction")}


def _names(resource: Json) -> set[str]:
    return {str(one.get("name")) for one in _objects(resource, "searchParam")}


def _objects(holder: Json, name: str) -> Iterator[Json]:
    held: Any = holder.get(name)
    for one in cast("list[Any]", held) if isinstance(held, list) else []:
        if isinstance(one, dict):
            yield cast("Json", one)


CHECKS: tuple[Check[Probe], ...] = (
    Check("capability.whole", "It is whole", _GROUP, must.C1, "degrades", "ehr-team", _whole),
    Check("capability.json", "JSON is listed", _GROUP, must.C2, "degrades", "ehr-team", _json),
    Check("capability.resources", "Types are declared", _GROUP, must.C3, "degrades", "ehr-team", _resources),
    Check("capability.parameters", "Parameters are declared", _GROUP, must.C4, "degrades", "ehr-team", _parameters),
    Check("capability.works", "What is declared works", _GROUP, must.C5, "degrades", "ehr-team", _works),
    Check("capability.writing", "Writing is declared", _GROUP, must.C6, "information", "ehr-team", _writing),
)
