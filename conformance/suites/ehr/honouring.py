"""Whether the parameters of a search are honoured: nothing comes that does not fit them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.listings import Json, Listing, mixed, parameters
from conformance.suites.ehr.probe import TEMPLATES, Probe
from conformance.wording import counted
from fhir_adapters.survey.searches import Request

_GROUP = "search"
_FAR = "2100-01-01"


async def _codes(probe: Probe) -> Sequence[Told]:
    """Observations that are asked for by code have one of those codes, in themselves or in a component."""
    others, seen = dict[str, list[tuple[int, str, Json]]](), 0
    for key, one in await probe.listings("scores", "observations", "genes", "daily"):
        codes = set(parameters(one.request).get("code", "").split(",")) - {""}
        wanted = codes | {code.rpartition("|")[2] for code in codes}
        judged = wanted and not one.stopped and not mixed(one, probe.base)
        for number, path, resource in one.matches() if judged else ():
            seen += 1
            if not wanted & _codes_of(resource):
                others.setdefault(key, []).append((number, path, resource))
    if not seen:
        return untested("no Observation was found by code")
    said: list[Told] = []
    for key, found in others.items():
        number, path, first = found[0]
        fix = "honour the parameter code: what does not fit it must not come"
        message = f"searches by code for {TEMPLATES[key].holds} give {counted(len(found), 'other Observation')} too"
        shown = min((one for one in _codes_of(first) if "|" in one), default="no code")
        said += failed(message, number, expected="one of the codes", got=shown, path=f"{path}.code", fix=fix)
    return said or passed(f"{seen} Observations have a code that was asked for")


def _codes_of(resource: Json) -> set[str]:
    """Return the codes of an Observation and of its components, each as ``system|code`` and as ``code``."""
    held: Any = resource.get("component")
    inner = cast("list[Any]", held) if isinstance(held, list) else []
    concepts = [resource.get("code"), *(cast("Json", one).get("code") for one in inner if isinstance(one, dict))]
    found: set[str] = set()
    for concept in concepts:
        codings: Any = cast("Json", concept).get("coding") if isinstance(concept, dict) else None
        for coding in cast("list[Any]", codings) if isinstance(codings, list) else []:
            found |= {f"{coding.get('system', '')}|{coding.get('code')}", str(coding.get("code"))}
    return found


async def _status(probe: Probe) -> Sequence[Told]:
    """A search for orders of one status gives those alone."""
    for patient in await probe.patients():
        listing = await probe.listing("medications", patient)
        orders = listing.matches() if listing and not listing.stopped else []
        statuses = {str(one.get("status")) for _, _, one in orders}
        if listing is not None and statuses:
            break
    else:
        raise Untested("no patient has an order, so the filter was not tried")
    mixed = "active" in statuses and len(statuses) > 1
    wanted = "active" if mixed or "active" not in statuses else "completed"
    found = probe.unmixed(await probe.follow(Request(f"{listing.request.query}&status={wanted}", listing.request.post)))
    # An order without any status is judged by content.required.
    wrong = [(n, path, str(one["status"])) for n, path, one in found.matches() if one.get("status", wanted) != wanted]
    if found.stopped or wrong:
        number, path, shown = wrong[0] if wrong else (found.last.number, "$", got(found.last))
        fix = "honour the parameter status; a stopped drug would be read as taken"
        message = f"a search for {wanted} orders gives others too" if wrong else "a search by status is refused"
        return failed(message, number, expected=wanted, got=shown, path=f"{path}.status", fix=fix)
    return passed(f"a search for {wanted} orders gives those alone", *found.numbers)


async def _dates(probe: Probe) -> Sequence[Told]:
    """Nothing was observed after a far day, in any spelling of it; before it, everything was."""
    listing = await _most(probe)
    whole = len(listing.matches())
    said: list[Told] = []
    for value, expected in ((f"gt{_FAR}", 0), (f"ge{_FAR}T00:00:00Z", 0), (f"lt{_FAR}", whole)):
        found = probe.unmixed(
            await probe.follow(Request(f"{listing.request.query}&date={value}", listing.request.post))
        )
        count = len(found.matches())
        if found.stopped or count != expected:
            fix = "honour date with the prefixes gt, ge, lt and le, with and without a time"
            shown = got(found.last) if found.stopped else f"{count} of {whole}"
            message = f"a search with date={value} does not give what it should"
            said += failed(message, *found.numbers, expected=str(expected), got=shown, fix=fix)
    return said or passed("dates are compared with and without a time")


async def _sort(probe: Probe) -> Sequence[Told]:
    said, seen = list[Told](), 0
    for _, one in await probe.listings("observations", "scores"):
        if parameters(one.request).get("_sort") != "-date" or one.stopped or mixed(one, probe.base):
            continue
        days = [
            str(resource["effectiveDateTime"])[:10]
            for _, _, resource in one.matches()
            if "effectiveDateTime" in resource
        ]
        whole = [day for day in days if len(day) == 10]
        seen += len(whole)
        if whole != sorted(whole, reverse=True):
            fix = "honour _sort=-date; where a list is cut, what is newest must be in it"
            later = sum(after > before for before, after in pairwise(whole))
            shown = f"a newer one after an older one ({counted(later, 'time')})"
            said += warned("Observations do not come newest first", *one.numbers, expected="newest first", got=shown,
                           path="$.entry", fix=fix)  # fmt: skip
    if seen < 2:
        return untested("too few dated Observations, or this EHR is not asked to sort")
    return said[:1] or passed("Observations come newest first")


async def _post(probe: Probe) -> Sequence[Told]:
    listing = await _most(probe)
    other = probe.unmixed(await probe.follow(Request(listing.request.query, not listing.request.post)))
    if other.stopped:
        way = "GET" if listing.request.post else "POST _search"
        fix = f"support {way}; long lists of codes do not fit into every address" if way != "GET" else "support GET"
        return warned(f"a search by {way} is refused", *other.numbers, expected="200", got=got(other.last), fix=fix)
    ids = [sorted(str(resource.get("id")) for _, _, resource in one.matches()) for one in (listing, other)]
    if ids[0] != ids[1]:
        shown = f"{len(ids[0])} and {len(ids[1])}"
        fix = "read the form's parameters as those of the address"
        return failed(
            "POST _search and GET give other results", *other.numbers, expected="the same", got=shown, fix=fix
        )
    return passed(f"POST _search and GET give the same {len(ids[0])}", *other.numbers)


async def _unknown_parameter(probe: Probe) -> Sequence[Told]:
    patient = (await probe.patients())[0]
    request = await probe.asked("conditions", patient)
    if request is None:
        raise Untested("this EHR has no Condition")
    path = f"{request.query}&undersign-no-such-parameter=1"
    strict = await probe.get(path, {"prefer": "handling=strict"})
    if 400 <= strict.status < 500:
        return passed(f"strict handling refuses an unknown parameter with {strict.status}", strict.number)
    links = {str(one.get("relation")): str(one.get("url")) for one in strict.list("link") or ()}
    if "self" in links and "undersign-no-such-parameter" not in links["self"]:
        return passed("an unknown parameter is left out of the self link", strict.number)
    fix = "refuse it under Prefer: handling=strict, or leave it out of link self"
    said = "an unknown parameter is ignored without a word: a filter that is not supported looks like one that is"
    return warned(
        said, strict.number, expected="400, or a self link without it", got=got(strict), path="$.link", fix=fix
    )


async def _most(probe: Probe) -> Listing:
    """Return the patient's Observations of whom there are most; Untested where there are none."""
    found = [one for _, one in await probe.listings("observations") if not one.stopped]
    most = max(found, key=lambda one: len(one.matches()), default=None)
    if most is None or not most.matches():
        raise Untested("no patient has an Observation that is asked for")
    return probe.unmixed(most)


CHECKS: tuple[Check[Probe], ...] = (
    Check("search.code", "code is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _codes),
    Check("search.status", "status is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _status),
    Check("search.date", "date is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _dates),
    Check("search.sort", "_sort is honoured", _GROUP, must.Q6, "degrades", "ehr-team", _sort),
    Check("search.post", "POST _search", _GROUP, must.Q4, "information", "ehr-team", _post),
    Check("search.unknown-parameter", "Unknown parameters", _GROUP, must.Q5, "degrades", "ehr-team",
          _unknown_parameter),
)  # fmt: skip
