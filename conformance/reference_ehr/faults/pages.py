"""Faults of reads, searches and pages: parameters that are not honoured, others' results, links that lead astray."""

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults.calls import (
    After,
    Answer,
    Call,
    Fault,
    dropping,
    parameters,
    refused,
    with_json,
    with_parameters,
)
from conformance.reference_ehr.refusals import Json
from conformance.reference_ehr.search import local_reference

_EMPTY: Json = {"resourceType": "Bundle", "type": "searchset", "total": 0}
_JSON = {"content-type": "application/fhir+json"}


def _bundle(change: Callable[[Json], Json]) -> After:
    def after(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
        body = answer.json() if call.is_search and answer.status == 200 else {}
        return with_json(answer, change(body)) if body.get("resourceType") == "Bundle" else answer

    return after


def _next(change: Callable[[str], str | None]) -> Callable[[Json], Json]:
    def changed(body: Json) -> Json:
        links = [
            {**link, "url": url} if link["relation"] == "next" else link
            for link in body.get("link", [])
            if (url := change(link["url"]) if link["relation"] == "next" else link["url"]) is not None
        ]
        return {**body, "link": links}

    return changed


def _overlapping(url: str) -> str:
    """Return a next link that goes back by one."""
    return re.sub(r"_offset=(\d+)", lambda found: f"_offset={max(int(found[1]) - 1, 0)}", url)


def _total(body: Json) -> Json:
    return {**body, "total": body["total"] + 1} if "total" in body else body


async def _lenient_paths(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return with_json(Answer(200, _JSON, b""), _EMPTY) if call.type == "NoSuchResourceType" else call


async def _lenient_ids(call: Call, ehr: ReferenceEhr, _: str) -> Call | Answer:
    known = call.path.removeprefix("/fhir/")
    if call.is_read and call.type == "Patient" and ehr.store.find(known) is None:
        return with_json(Answer(200, _JSON, b""), {"resourceType": "OperationOutcome", "issue": []})
    return call


async def _wrong_read(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    if call.is_read and call.type == "Patient":
        others = [person.id for person in ehr.people if person.id not in call.path]
        return replace(call, path=f"/fhir/Patient/{others[0]}")
    return call


def _wrong_patient(call: Call, answer: Answer, ehr: ReferenceEhr, _: str) -> Answer:
    """Put one resource of another patient among the results of each search for one."""
    asked = dict(parameters(call)).get("patient") if call.is_search else None
    body = answer.json() if asked and answer.status == 200 else {}
    if body.get("resourceType") != "Bundle":
        return answer
    for version in ehr.store.all(call.type):
        whose = local_reference(version.body.get("subject") or version.body.get("patient"), ehr.base)
        if whose is not None and asked is not None and whose.removeprefix("Patient/") != asked.removeprefix("Patient/"):
            entry = {
                "fullUrl": f"{ehr.base}/{version.reference}",
                "resource": version.body,
                "search": {"mode": "match"},
            }
            return with_json(answer, {**body, "entry": [*body.get("entry", []), entry]})
    return answer


async def _everybody(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    """Give everybody's results where the patient is not known."""
    asked = dict(parameters(call)).get("patient", "") if call.is_search else ""
    known = not asked or ehr.store.find(f"Patient/{asked.removeprefix('Patient/')}") is not None
    if known:
        return call
    return with_parameters(call, [(name, value) for name, value in parameters(call) if name != "patient"])


async def _no_post(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    refusal = refused(405, "not-supported", "Search by GET.")
    return refusal if call.path.endswith("/_search") else call


async def _deaf_post(call: Call, _: ReferenceEhr, __: str) -> Call:
    if not call.path.endswith("/_search"):
        return call
    return with_parameters(call, [(name, value) for name, value in parameters(call) if name == "patient"])


async def _lenient(call: Call, _: ReferenceEhr, __: str) -> Call:
    return replace(call, headers={name: value for name, value in call.headers.items() if name != "prefer"})


def _echoed(call: Call, answer: Answer, ehr: ReferenceEhr, _: str) -> Answer:
    """Write every parameter into the self link, known or not."""
    body = answer.json() if call.is_search and answer.status == 200 else {}
    if body.get("resourceType") != "Bundle":
        return answer
    url = f"{ehr.base}/{call.type}?{urlencode(parameters(call))}"
    links = [{**link, "url": url} if link["relation"] == "self" else link for link in body["link"]]
    return with_json(answer, {**body, "link": links})


async def _large(call: Call, _: ReferenceEhr, __: str) -> Call:
    if not call.is_search:
        return call
    return with_parameters(call, [(n, "200" if n == "_count" else v) for n, v in parameters(call)])


FAULTS: tuple[Fault, ...] = (
    Fault("lenient-paths", "answers an unknown type with an empty Bundle", _lenient_paths),
    Fault("lenient-ids", "answers an unknown id with 200", _lenient_ids),
    Fault("wrong-read", "reads another patient than the one asked for", _wrong_read),
    Fault("wrong-patient", "puts another patient's resource into each search", after=_wrong_patient),
    Fault("everybody", "gives everybody's results for an unknown patient", _everybody),
    Fault("ignored-code", "ignores the search parameter code", dropping("code")),
    Fault("ignored-status", "ignores the search parameter status", dropping("status")),
    Fault("ignored-date", "ignores the search parameter date", dropping("date")),
    Fault("ignored-sort", "ignores _sort", dropping("_sort")),
    Fault("no-include", "ignores _include", dropping("_include")),
    Fault("no-revinclude", "ignores _revinclude", dropping("_revinclude")),
    Fault("no-post", "refuses POST _search", _no_post),
    Fault("deaf-post", "reads but the patient of POST _search", _deaf_post),
    Fault("silent-parameters", "takes unknown parameters without a word", _lenient, _echoed),
    Fault("broken-next", "has next links that lead nowhere",
          after=_bundle(_next(lambda url: url.replace("/fhir/", "/fhir/pages/gone/")))),
    Fault("foreign-next", "has next links to another host",
          after=_bundle(_next(lambda url: re.sub(r"//[^/]+", "//inner.example", url)))),
    Fault("lost-next", "has no next links", after=_bundle(_next(lambda _: None))),
    Fault("circular-next", "has next links back to the first page",
          after=_bundle(_next(lambda url: re.sub(r"_offset=\d+", "_offset=0", url)))),
    Fault("overlapping-pages", "repeats the last result on the next page", after=_bundle(_next(_overlapping))),
    Fault("wrong-total", "counts one too many", after=_bundle(_total)),
    Fault("ignored-count", "ignores _count", _large),
)  # fmt: skip
