"""Reads and searches as the service makes them, one check a template; and whether parameters are honoured."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from conformance.checks import Check, Consequence, Told, Untested, failed, passed, untested, warned
from conformance.exchanges import Exchange
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import counted, got, is_redirect
from conformance.suites.ehr.charts import TEMPLATES
from conformance.suites.ehr.listings import Json, Listing, good, mixed, parameters
from conformance.suites.ehr.probe import Probe
from fhir_adapters.survey.searches import Request

_GROUP = "search"
_FAR = "2100-01-01"
_NO_SUCH, _BAD = "undersign-no-such-id", "not_a_valid_id"
_WITHOUT = {  # what an evaluation lacks where a list is not there
    "statements": "drugs that the patient reports are not seen",
    "allergies": "no drug is ruled out for an allergy",
    "responses": "scores are seen only where they are Observations",
    "observations": "no rule on a laboratory value or vital sign can speak",
    "genes": "no dose is adjusted to a genotype",
    "daily": "activity and sleep are not seen",
    "procedures": "assessments of suicide risk that are recorded as procedures are not seen",
    "family_history": "a family history of bipolar disorder is not seen",
    "consents": "a patient's refusal of AI suggestions is not seen",
}


def _list(key: str) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        profile = await probe.profile()
        listings = [await probe.listing(key, patient) for patient in await probe.patients()]
        found = [one for one in listings if one is not None]
        if not found:
            kind = TEMPLATES[key].template.partition("?")[0]
            return untested(f"the profile {profile.name} says that this EHR has no {kind}")
        bad = [one for one in found if one.stopped]
        if bad:
            return _refusal(key, bad[0], len(bad), len(found))
        count = sum(len(one.matches()) for one in found)
        numbers = [one.pages[0].number for one in found]
        return passed(f"{counted(count, 'resource')} of {counted(len(found), 'patient')}", *numbers)

    return check


def _refusal(key: str, one: Listing, bad: int, of: int) -> Sequence[Told]:
    answer, kind = one.last, one.request.query.partition("?")[0].partition("/")[0]
    said = (
        f"{kind} cannot be searched for ({bad} of {of} searches)" if "?" in one.request.query else f"{kind} is not read"
    )
    if one.stopped != "failed":
        said, fix = f"the pages of {kind} cannot be followed to their end ({one.stopped})", "see the group paging"
        return failed(said, *one.numbers, path="$.link[?(@.relation=='next')]", fix=fix)
    shown, wanted = got(answer), "200 searchset" if "?" in one.request.query else f"200 {kind}"
    verdict = "fail"
    if answer.status == 404 and not TEMPLATES[key].required:
        verdict, said = "warn", f"the EHR has no {kind}: {_WITHOUT.get(key, TEMPLATES[key].holds)}"
    return (Told(verdict, said, wanted, shown, "$", _fix(kind, answer), exchanges=(answer.number,)),)


def _fix(kind: str, answer: Exchange) -> str:
    """Return what to do, by the status."""
    if is_redirect(answer):
        return "give the address that the EHR redirects to as the FHIR base"
    if answer.status == 200:
        return "answer a search with a Bundle of type searchset, an empty one where there is nothing"
    return {
        400: f"read the server's words; how {kind} is asked for stands in the profile under [search.{kind}]",
        403: f"grant the client system/{kind}.rs",
        404: f"serve {kind}; if this EHR has none, write [search.{kind}] supported = false in its profile",
    }.get(answer.status, "look at the server's log for this request")


async def _read(probe: Probe) -> Sequence[Told]:
    said: list[Told] = []
    patients = await probe.patients()
    for patient in patients:
        answer = await probe.get(f"Patient/{patient}")
        if not good(answer, Request(f"Patient/{patient}")) or answer.object().get("id") != patient:
            fix = "answer a read with the resource of that id" if answer.status == 200 else _fix("Patient", answer)
            said += failed("Patient is not read by its id", answer.number, expected="200 Patient", got=got(answer),
                           path="$.id", fix=fix)  # fmt: skip
    return said or passed(f"{len(patients)} patients are read by their ids")


async def _unknown_id(probe: Probe) -> Sequence[Told]:
    answer = _unlike(await probe.get(f"Patient/{_NO_SUCH}"), _NO_SUCH)
    if answer.status in (404, 410):
        return passed(f"an unknown id is {answer.status}", answer.number)
    fix = "answer an id that is not there with 404"
    return failed("an unknown id is not 404", answer.number, expected="404", got=got(answer), fix=fix)


async def _bad_id(probe: Probe) -> Sequence[Told]:
    answer = _unlike(await probe.get(f"Patient/{_BAD}"), _BAD)
    if answer.status in (400, 404):
        return passed(f"an id that cannot be is {answer.status}", answer.number)
    fix = "answer an id that cannot be with 400 or 404"
    return failed("an impossible id is not refused", answer.number, expected="400 or 404", got=got(answer), fix=fix)


def _unlike(answer: Exchange, asked: str) -> Exchange:
    """Return the answer; Untested where another's resource came, for then every read gives what was not asked for."""
    if answer.status == 200 and answer.object().get("id") not in (None, asked):
        raise Untested("a read gives another resource than the one asked for (see search.read)", (answer.number,))
    return answer


async def _codes(probe: Probe) -> Sequence[Told]:
    """Observations that are asked for by code have one of those codes, in themselves or in a component."""
    said, seen = list[Told](), 0
    for key, one in await probe.listings("scores", "observations", "genes", "daily"):
        wanted = set(parameters(one.request).get("code", "").split(",")) - {""}
        judged = wanted and not one.stopped and not mixed(one, probe.base)
        for number, path, resource in one.matches() if judged else ():
            seen += 1
            if not _has_code(resource, wanted):
                fix = "honour the parameter code: what does not fit it must not come"
                message = f"a search by code for {TEMPLATES[key].holds} gives others too"
                said += failed(message, number, expected="one of the codes", path=f"{path}.code", fix=fix)
    if not seen and not said:
        return untested("no Observation was found by code")
    return said[:3] or passed(f"{seen} Observations have a code that was asked for")


def _has_code(resource: Json, wanted: set[str]) -> bool:
    held: Any = resource.get("component")
    inner = cast("list[Any]", held) if isinstance(held, list) else []
    concepts = [resource.get("code"), *(cast("Json", one).get("code") for one in inner if isinstance(one, dict))]
    found: set[str] = set()
    for concept in concepts:
        codings: Any = cast("Json", concept).get("coding") if isinstance(concept, dict) else None
        for coding in cast("list[Any]", codings) if isinstance(codings, list) else []:
            found |= {f"{coding.get('system', '')}|{coding.get('code')}", str(coding.get("code"))}
    return bool(found & (wanted | {one.rpartition("|")[2] for one in wanted}))


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
            said += warned("Observations do not come newest first", *one.numbers, expected="newest first", fix=fix)
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


def _templates() -> tuple[Check[Probe], ...]:
    made: list[Check[Probe]] = []
    for key, template in TEMPLATES.items():
        rule = must.Q1 if key == "patient" else must.Q2
        weight: Consequence = "blocks-start" if template.required else "degrades"
        title = template.holds[0].upper() + template.holds[1:]
        made.append(Check(f"search.{key.replace('_', '-')}", title, _GROUP, rule, weight, "ehr-team", _list(key)))
    return tuple(made)


CHECKS: tuple[Check[Probe], ...] = (
    Check("search.read", "Read by id", _GROUP, must.Q1, "blocks-start", "ehr-team", _read),
    Check("search.unknown-id", "Unknown ids are 404", _GROUP, must.Q1, "degrades", "ehr-team", _unknown_id),
    Check("search.bad-id", "Impossible ids are refused", _GROUP, must.Q1, "information", "ehr-team", _bad_id),
    *_templates(),
    Check("search.code", "code is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _codes),
    Check("search.status", "status is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _status),
    Check("search.date", "date is honoured", _GROUP, must.Q3, "degrades", "ehr-team", _dates),
    Check("search.sort", "_sort is honoured", _GROUP, must.Q6, "degrades", "ehr-team", _sort),
    Check("search.post", "POST _search", _GROUP, must.Q4, "information", "ehr-team", _post),
    Check("search.unknown-parameter", "Unknown parameters", _GROUP, must.Q5, "degrades", "ehr-team",
          _unknown_parameter),
)  # fmt: skip
