"""Whose results are they? And do the pages hold each of them once, on this host?"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.listings import Listing, below, mixed, next_link, of_patient, parameters
from conformance.suites.ehr.probe import TEMPLATES, Probe
from conformance.wording import counted
from fhir_adapters.survey.searches import Request

_GROUP, _PAGING = "whose results", "paging"
_PAGES = 3
_SUBJECT = {"AllergyIntolerance": "patient", "FamilyMemberHistory": "patient", "Consent": "patient"}


async def _own(probe: Probe) -> Sequence[Told]:
    others, seen = dict[str, list[tuple[int, str]]](), 0
    for patient in await probe.patients():
        for key in TEMPLATES:
            one = await probe.listing(key, patient)
            searched = one is not None and "?" in one.request.query  # what a read gives, search.read judges
            for number, path, resource in one.matches() if one and searched and not one.stopped else ():
                seen += 1
                if of_patient(resource, patient, probe.base) is False:
                    kind = str(resource.get("resourceType"))
                    others.setdefault(kind, []).append((number, f"{path}.{_SUBJECT.get(kind, 'subject')}"))
    if not seen:
        raise Untested("no result came, so nobody's could be judged")
    said: list[Told] = []
    for kind, found in others.items():
        message = f"a search for one patient gives another's {kind} ({counted(len(found), 'time')})"
        fix = "honour the parameter patient; nothing may be started while this stands"
        said += failed(message, found[0][0], expected="the patient asked for", got="another", path=found[0][1],
                       fix=fix)  # fmt: skip
    return said or passed(f"{seen} results are those of the patient asked for")


async def _nobody(probe: Probe) -> Sequence[Told]:
    """A search for a patient who is not there gives nothing."""
    request = await probe.asked("conditions", "undersign-no-such-id")
    if request is None:
        raise Untested("this EHR has no Condition")
    found = await probe.follow(request)
    probe.settled(found.last)
    if found.stopped and 400 <= found.last.status < 500:
        return passed(f"an unknown patient is refused with {found.last.status}", found.last.number)
    count = len(found.matches())
    if found.stopped:
        fix = "answer a patient who is not there with an empty Bundle, or 404"
        return warned("a search for an unknown patient fails", found.last.number, got=got(found.last), fix=fix)
    if count:
        fix = "honour the parameter patient; nothing may be started while this stands"
        said = "a search for a patient who is not there gives somebody's results"
        return failed(said, *found.numbers, expected="none", got=str(count), path="$.entry", fix=fix)
    return passed("a patient who is not there has no results", *found.numbers)


# ---- paging


async def _small(probe: Probe) -> tuple[Listing, Listing, int]:
    """Return (a search, the same in small pages, the size asked for); Untested where there is nothing to page."""
    best: Listing | None = None
    for _, one in await probe.listings("observations", "conditions", "medications"):
        probe.unmixed(one)
        if not one.stopped and (best is None or len(one.matches()) > len(best.matches())):
            best = one
    count = len(best.matches()) if best else 0
    if best is None or count < 2:
        raise Untested("no search gives two results, so there is nothing to page")
    if "_count" not in parameters(best.request):
        raise Untested("this EHR is asked without _count, so the size of its pages is its own")
    size = max(1, -(-count // _PAGES))
    kind, _, query = best.request.query.partition("?")
    pairs = [f"_count={size}" if pair.startswith("_count=") else pair for pair in query.split("&")]
    return best, await probe.follow(Request(f"{kind}?{'&'.join(pairs)}", best.request.post)), size


async def _followed(probe: Probe) -> Sequence[Told]:
    whole, small, size = await _small(probe)
    expected = len({_name(one) for one in _resources(whole)})
    if small.stopped in ("failed", "circles", "too-many"):
        words = {"failed": "a next link does not work", "circles": "next links go in a circle"}
        fix = "make each next link lead to the page after it, with the same token"
        said = words.get(small.stopped, "next links have no end")
        shown = {"failed": got(small.last), "circles": "a page that was read before"}
        return failed(said, *small.numbers, expected="the page after it", path="$.link",
                      got=shown.get(small.stopped, f"{len(small.pages)} pages and no end"), fix=fix)  # fmt: skip
    count = len({_name(one) for one in _resources(small)})
    if count != expected and not small.stopped:
        said = f"pages of {size} give {count} of {expected} results"
        fix = "put a next link on every page but the last; what is cut off looks like what is not there"
        return failed(said, *small.numbers, expected=str(expected), got=str(count), path="$.link", fix=fix)
    if small.stopped:
        return untested("the next link leads elsewhere, so it was not followed", *small.numbers)
    return passed(f"{len(small.pages)} pages hold all {expected} results", *small.numbers)


async def _once(probe: Probe) -> Sequence[Told]:
    _, small, _ = await _small(probe)
    if small.stopped == "circles":
        raise Untested("next links go in a circle (see paging.whole)", small.numbers)
    # What has no id cannot be told from another: content.required judges that.
    names = [_name(one) for one in _resources(small) if "id" in one]
    twice = len(names) - len(set(names))
    if len(small.pages) < 2:
        return untested("there is one page only", *small.numbers)
    if twice:
        fix = "keep the order of results while they are paged: a tie in it needs a second key, such as the id"
        said = "results come again on a later page"
        return failed(said, *small.numbers, expected="each once", got=f"{twice} again", path="$.entry", fix=fix)
    return passed(f"{len(names)} results, each on one page", *small.numbers)


async def _host(probe: Probe) -> Sequence[Told]:
    whole, small, _ = await _small(probe)
    links = [
        (page.number, link) for one in (whole, small) for page in one.pages if (link := next_link(probe.base, page))
    ]
    for number, link in links:
        if not below(probe.base, link):
            shown = urlsplit(link)
            fix = "write next links below the FHIR base, as it is called from outside (a proxy's address, not its own)"
            said = "a next link leaves the FHIR base, and the token is not sent there"
            expected = f"{urlsplit(probe.base).scheme}://{urlsplit(probe.base).netloc}{urlsplit(probe.base).path}"
            got_ = f"{shown.scheme}://{shown.netloc}{shown.path[:40]}"
            return failed(said, number, expected=expected, got=got_, path="$.link[?(@.relation=='next')].url", fix=fix)
    if not links:
        return untested("there is no next link", *small.numbers)
    return passed(f"{len(links)} next links stay below the base", *(number for number, _ in links))


async def _total(probe: Probe) -> Sequence[Told]:
    said, seen = list[Told](), 0
    for key, one in await probe.listings():
        told = one.pages[0].object().get("total") if not one.stopped and not mixed(one, probe.base) else None
        if not isinstance(told, int) or isinstance(told, bool):
            continue
        seen += 1
        count = len(one.matches())
        if told != count:
            fix = "let total be the number of matches over all pages, without what is included; or leave it out"
            said += failed(f"total is not the number of {TEMPLATES[key].holds}", *one.numbers, expected=str(count),
                           got=str(told), path="$.total", fix=fix)  # fmt: skip
    return said[:3] or (passed(f"{seen} totals fit") if seen else untested("no search says a total"))


async def _size(probe: Probe) -> Sequence[Told]:
    _, small, size = await _small(probe)
    largest = max(sum(number == page.number for number, _, _ in small.matches()) for page in small.pages)
    if largest > size:
        fix = "honour _count, or the page may be larger than a client can take"
        said = "a page holds more than _count"
        return warned(said, *small.numbers, expected=f"at most {size}", got=str(largest), path="$.entry", fix=fix)
    return passed(f"pages hold at most the {size} that were asked for", *small.numbers)


def _resources(listing: Listing) -> list[dict[str, object]]:
    return [one for _, _, one in listing.matches()]


def _name(resource: dict[str, object]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


CHECKS: tuple[Check[Probe], ...] = (
    Check("patient.own", "Results are the patient's", _GROUP, must.P1, "blocks-start", "ehr-team", _own),
    Check("patient.nobody", "Nobody has no results", _GROUP, must.P1, "blocks-start", "ehr-team", _nobody),
    Check("paging.whole", "Followed to the end", _PAGING, must.G1, "blocks-start", "ehr-team", _followed),
    Check("paging.once", "No result twice", _PAGING, must.G1, "degrades", "ehr-team", _once),
    Check("paging.host", "On the same host", _PAGING, must.G2, "blocks-start", "ehr-team", _host),
    Check("paging.total", "total fits", _PAGING, must.G3, "degrades", "ehr-team", _total),
    Check("paging.count", "_count is honoured", _PAGING, must.G4, "degrades", "ehr-team", _size),
)
