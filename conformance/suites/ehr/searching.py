"""Reads and searches as the service makes them, one check a template; and whether parameters are honoured."""

from collections.abc import Awaitable, Callable, Sequence

from conformance.checks import Check, Consequence, Told, Untested, failed, passed, untested
from conformance.exchanges import Exchange
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got, is_redirect
from conformance.suites.ehr.listings import Listing, good
from conformance.suites.ehr.probe import TEMPLATES, Probe
from conformance.wording import counted
from fhir_adapters.survey.searches import Request

_GROUP = "search"
_NO_SUCH, _BAD = "undersign-no-such-id", "not_a_valid_id"
_OF_THAT_ID = "answer a read with the resource of that id; nothing may be started while this stands"
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
    patients, wrong = await probe.patients(), dict[str, list[Exchange]]()
    for patient in patients:
        answer = await probe.get(f"Patient/{patient}")
        if not good(answer, Request(f"Patient/{patient}")):
            wrong.setdefault(got(answer), []).append(answer)
        elif answer.object().get("id") != patient:
            wrong.setdefault("another id", []).append(answer)
    of = f"of {counted(len(patients), 'read')}"
    said = [
        Told("fail", f"{len(answers)} {of} by id do not give the Patient of that id", "200 and the Patient of that id",
             shown, "$.id" if shown == "another id" else "$",
             _OF_THAT_ID if answers[0].status == 200 else _fix("Patient", answers[0]),
             exchanges=tuple(one.number for one in answers))
        for shown, answers in wrong.items()
    ]  # fmt: skip
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
)
