"""One search followed to its end: its pages, its entries, and why it stopped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

import msgspec

from conformance.exchanges import Exchange
from conformance.session import Session
from fhir_adapters.survey.searches import Request

Json = dict[str, Any]
Stopped = Literal["", "failed", "elsewhere", "circles", "too-many"]
MOST_PAGES = 20  # as the service follows them


@dataclass(frozen=True, slots=True)
class Listing:
    """The answers to one search or read, in order. ``stopped``: why it is not whole, empty where it is."""

    request: Request
    pages: tuple[Exchange, ...]
    stopped: Stopped = ""

    @property
    def last(self) -> Exchange:
        """The last answer, which tells what went wrong where something did."""
        return self.pages[-1]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its requests."""
        return tuple(one.number for one in self.pages)

    def entries(self) -> Iterator[tuple[int, str, str, Json]]:
        """Yield (request, JSON path, search mode, resource) of each entry; a read is one."""
        for page in self.pages:
            body = page.object()
            if body.get("resourceType") != "Bundle":
                yield page.number, "$", "match", body
                continue
            for n, entry in enumerate(page.list("entry") or ()):
                held: Any = entry.get("resource")
                if isinstance(held, dict):
                    resource = cast("Json", held)
                    yield page.number, f"$.entry[{n}].resource", _mode(entry, resource), resource

    def matches(self) -> list[tuple[int, str, Json]]:
        """Return what was searched for, without what was included or said beside it."""
        return [(number, path, one) for number, path, mode, one in self.entries() if mode == "match"]

    def value(self) -> bytes:
        """Return all pages as one value, as the adapters read it."""
        if len(self.pages) == 1:
            return self.pages[0].body
        entries = [entry for page in self.pages for entry in page.list("entry") or ()]
        return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


async def follow(session: Session, request: Request) -> Listing:
    """Ask for a search or read and follow its next links, on the EHR's own host and below its base only."""
    pages = [await _first(session, request)]
    seen = {pages[0].asked.url}
    while True:
        page = pages[-1]
        if not good(page, request):
            return Listing(request, tuple(pages), "failed")
        url = next_link(session.base, page)
        if url is None:
            return Listing(request, tuple(pages))
        if not below(session.base, url):
            return Listing(request, tuple(pages), "elsewhere")
        if url in seen:
            return Listing(request, tuple(pages), "circles")
        if len(pages) == MOST_PAGES:
            return Listing(request, tuple(pages), "too-many")
        seen.add(url)
        pages.append(await session.get(url))


async def _first(session: Session, request: Request) -> Exchange:
    """http://hl7.org/fhir/R4/http.html#search: the parameters of a POST are a form."""
    if not request.post:
        return await session.get(request.query)
    kind, _, parameters = request.query.partition("?")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await session.send("POST", f"{kind}/_search", headers=headers, body=form(parameters))


def form(parameters: str) -> bytes:
    """Return query parameters as a form."""
    pairs = [pair.partition("=")[::2] for pair in parameters.split("&")]
    return urlencode([(name, unquote(value)) for name, value in pairs]).encode()


def good(page: Exchange, request: Request) -> bool:
    """Return whether an answer is what was asked for: 200 with the resource, or with a Bundle."""
    kind = "Bundle" if "?" in request.query else request.query.partition("/")[0]
    return page.status == 200 and page.object().get("resourceType") == kind


def next_link(base: str, page: Exchange) -> str | None:
    """Return the absolute address of the next page, None on the last one."""
    found = [one.get("url") for one in page.list("link") or () if one.get("relation") == "next"]
    return urljoin(f"{base}/", str(found[0])) if found else None


def below(base: str, url: str) -> bool:
    """Return whether an address is the EHR's: the base's scheme, host and port, and its path or one below."""
    ours, theirs = urlsplit(base), urlsplit(url)
    inside = theirs.path == ours.path or theirs.path.startswith(f"{ours.path}/")
    return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc) and inside and ".." not in theirs.path


def parameters(request: Request) -> dict[str, str]:
    """Return the search's parameters, decoded."""
    return dict(parse_qsl(request.query.partition("?")[2], keep_blank_values=True))


def of_patient(resource: Json, patient: str, base: str) -> bool | None:
    """Return whether a resource is the patient's, None where it names nobody."""
    if resource.get("resourceType") == "Patient":
        return resource.get("id") == patient
    held: Any = resource.get("subject") or resource.get("patient")
    reference = str(cast("Json", held).get("reference", "")) if isinstance(held, dict) else ""
    if not reference or reference.startswith(("#", "urn:")):
        return None
    return re.sub(r"/_history/.*$", "", reference.removeprefix(f"{base}/")) == f"Patient/{patient}"


def mixed(listing: Listing, base: str) -> bool:
    """Return whether others' resources are among those of the patient who was asked for."""
    patient = parameters(listing.request).get("patient", "").removeprefix("Patient/")
    return bool(patient) and any(of_patient(one, patient, base) is False for _, _, one in listing.matches())


def _mode(entry: Json, resource: Json) -> str:
    held: Any = entry.get("search")
    told = str(cast("Json", held).get("mode", "")) if isinstance(held, dict) else ""
    return told or ("outcome" if resource.get("resourceType") == "OperationOutcome" else "match")
