"""Faults of bulk export: of the kick-off, the status, the manifest, the files, and of what stands in them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from conformance.reference_ehr.codec import encode
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults.calls import (
    After,
    Answer,
    Before,
    Call,
    Fault,
    refused,
    with_json,
    without_header,
)
from conformance.reference_ehr.refusals import Json

_LEVELS = {"system": "/fhir/$export", "patient": "/fhir/Patient/$export", "group": "/fhir/Group/"}


def _is_kick_off(call: Call) -> bool:
    return call.method == "GET" and call.path.endswith("$export")


def _is_status(call: Call) -> bool:
    return call.path.startswith("/bulk/") and not _is_file(call)


def _is_file(call: Call) -> bool:
    return call.path.startswith("/bulk/") and call.path.endswith(".ndjson")


def _on(where: Callable[[Call], bool], change: Callable[[Call, Answer], Answer]) -> After:
    def after(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
        good = answer.status in (200, 202) and call.method == "GET"
        return change(call, answer) if where(call) and good else answer

    return after


def _headers(**more: str) -> Callable[[Call, Answer], Answer]:
    def change(_: Call, answer: Answer) -> Answer:
        return replace(answer, headers={**answer.headers, **{n.replace("_", "-"): v for n, v in more.items()}})

    return change


def _manifest(change: Callable[[Json], Json]) -> After:
    def changed(_: Call, answer: Answer) -> Answer:
        return with_json(answer, change(answer.json())) if answer.status == 200 else answer

    return _on(_is_status, changed)


def _lines(change: Callable[[Json], Json | None], *types: str) -> After:
    """Return what changes each line of the files of these types; None leaves it out."""

    def changed(call: Call, answer: Answer) -> Answer:
        if types and call.path.rpartition("/")[2].removesuffix(".ndjson") not in types:
            return answer
        found = [change(json.loads(line)) for line in answer.body.splitlines()]
        return replace(answer, body=b"".join(encode(one) + b"\n" for one in found if one is not None))

    return _on(_is_file, changed)


def _anybody(where: Callable[[Call], bool]) -> Before:
    """Return what asks nobody for a token: everybody is the client that asked last, with a token for everything."""
    last: dict[str, str] = {}

    async def before(call: Call, _: ReferenceEhr, __: str) -> Call:
        if "authorization" in call.headers:
            last["authorization"] = call.headers["authorization"]
        return replace(call, headers={**call.headers, **last}) if where(call) else call

    return before


def _deaf(*names: str) -> Before:
    async def before(call: Call, _: ReferenceEhr, __: str) -> Call:
        if not _is_kick_off(call):
            return call
        kept = [pair for pair in parse_qsl(call.query) if pair[0] not in names]
        return replace(call, query=urlencode(kept))

    return before


async def _refused(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    level = call.path.startswith(_LEVELS.get(value, "/fhir/")) and _is_kick_off(call)
    return refused(404, "not-supported", "No export of this.") if level else call


async def _strict_format(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    short = dict(parse_qsl(call.query)).get("_outputFormat") in ("ndjson", "application/ndjson")
    return refused(400, "not-supported", "No such format.") if _is_kick_off(call) and short else call


async def _endless(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    waiting = Answer(202, {"retry-after": "1", "x-progress": "0 %"}, b"")
    return waiting if _is_status(call) and call.method == "GET" else call


async def _breaking(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(500, "exception", "The export failed.") if _is_status(call) and call.method == "GET" else call


async def _no_cancel(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(405, "not-supported", "No.") if call.method == "DELETE" and _is_status(call) else call


async def _deathless(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return Answer(202, {}, b"") if call.method == "DELETE" and _is_status(call) else call


def _at_once(_: Call, answer: Answer) -> Answer:
    body = encode({"resourceType": "Bundle", "type": "searchset"})
    return Answer(200, {"content-type": "application/fhir+json"}, body) if answer.status == 202 else answer


def _relative(_: Call, answer: Answer) -> Answer:
    place = answer.headers.get("content-location", "")
    return replace(answer, headers={**answer.headers, "content-location": "/" + place.split("/", 3)[-1]})


def _without(*names: str) -> Callable[[Json], Json]:
    return lambda found: {name: value for name, value in found.items() if name not in names}


def _more(found: Json) -> Json:
    return {**found, "output": [{**one, "count": one["count"] + 1} for one in found["output"]]}


def _with_error(found: Json) -> Json:
    held: list[Any] = found["output"]
    url = held[0]["url"].rpartition("/")[0] + "/OperationOutcome.ndjson" if held else ""
    return {**found, "error": [{"type": "OperationOutcome", "url": url}]}


def _other_host(found: Json) -> Json:
    moved = [{**one, "url": one["url"].replace("127.0.0.1", "files.example")} for one in found["output"]]
    return {**found, "output": moved}


def _pretty(_: Call, answer: Answer) -> Answer:
    found = [json.loads(line) for line in answer.body.splitlines()]
    return replace(answer, body="\n".join(json.dumps(one, indent=1) for one in found).encode())


def _mistyped(one: Json) -> Json:
    return {**one, "resourceType": "Basic"}


def _strangers(call: Call, answer: Answer, ehr: ReferenceEhr, _: str) -> Answer:
    """Put everybody into the file of Patients."""
    if not (_is_file(call) and answer.status == 200 and call.path.endswith("/Patient.ndjson")):
        return answer
    return replace(answer, body=b"".join(encode(one.body) + b"\n" for one in ehr.store.all("Patient")))


def _first_only(call: Call, answer: Answer) -> Answer:
    alone = call.path.endswith("/Patient.ndjson")
    return replace(answer, body=answer.body.splitlines(keepends=True)[0]) if alone and answer.body else answer


def _rounded(one: Json) -> Json:
    quantity = one.get("valueQuantity")
    if not isinstance(quantity, dict):
        return one
    held: Json = quantity  # pyright: ignore[reportUnknownVariableType]
    return {**one, "valueQuantity": {name: value for name, value in held.items() if name not in ("unit", "code")}}


def _undeclared(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    if call.path != "/fhir/metadata" or answer.status != 200:
        return answer
    found = answer.json()
    (rest,) = found["rest"]
    kept = [_without("operation")(one) for one in rest["resource"]]
    return with_json(answer, {**found, "rest": [{**_without("operation")(rest), "resource": kept}]})


def _no_outcome(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    bare = answer.status >= 400 and (_is_kick_off(call) or _is_status(call))
    return Answer(answer.status, {"content-type": "text/plain"}, b"no") if bare else answer


FAULTS: tuple[Fault, ...] = (
    Fault("undeclared-export", "does not declare its export", after=_undeclared),
    Fault("no-export", "refuses exports of a level (system, patient, group), or all", _refused, value="LEVEL"),
    Fault("export-at-once", "answers a kick-off with a Bundle", after=_on(_is_kick_off, _at_once)),
    Fault("no-content-location", "does not say where the status is",
          after=_on(_is_kick_off, lambda _, answer: without_header(answer, "content-location"))),
    Fault("relative-content-location", "names the status without a host", after=_on(_is_kick_off, _relative)),
    Fault("open-export", "asks for no token at a kick-off", _anybody(_is_kick_off)),
    Fault("open-status", "asks for no token at the status", _anybody(_is_status)),
    Fault("open-files", "asks for no token at files, and says that it does", _anybody(_is_file)),
    Fault("export-no-outcome", "refuses exports without an OperationOutcome", after=_no_outcome),
    Fault("any-format", "takes any _outputFormat", _deaf("_outputFormat")),
    Fault("strict-format", "knows _outputFormat by its long name only", _strict_format),
    Fault("ignored-type", "ignores _type", _deaf("_type")),
    Fault("ignored-since", "ignores _since", _deaf("_since")),
    Fault("endless-export", "is never done", _endless),
    Fault("failing-export", "fails while it exports", _breaking),
    Fault("bad-progress", "says “soon” for Retry-After and tells a story as X-Progress",
          after=_on(_is_status, _headers(retry_after="soon", x_progress="almost " * 30))),
    Fault("thin-manifest", "leaves transactionTime and error out",
          after=_manifest(_without("transactionTime", "error"))),
    Fault("other-request", "names another request in the manifest",
          after=_manifest(lambda found: {**found, "request": "https://ehr.example/$export"})),
    Fault("manifest-as-text", "sends the manifest as text", after=_on(_is_status, _headers(content_type="text/plain"))),
    Fault("expired-export", "says that files ended before they were there",
          after=_on(_is_status, _headers(expires="Sun, 22 Nov 2020 10:00:00 GMT"))),
    Fault("export-errors", "lists an error", after=_manifest(_with_error)),
    Fault("foreign-files", "has its files on another host", after=_manifest(_other_host)),
    Fault("files-as-json", "sends NDJSON as JSON", after=_on(_is_file, _headers(content_type="application/json"))),
    Fault("pretty-lines", "writes a resource over many lines", after=_on(_is_file, _pretty)),
    Fault("mixed-files", "has other types in a file than it says", after=_lines(_mistyped, "Condition")),
    Fault("wrong-count", "counts one too many in the manifest", after=_manifest(_more)),
    Fault("one-patient", "exports one patient", after=_on(_is_file, _first_only)),
    Fault("strangers", "exports patients who are in no group", after=_strangers),
    Fault("lost-units", "loses the units of numbers in an export", after=_lines(_rounded, "Observation")),
    Fault("lost-problems", "exports no problems", after=_manifest(
        lambda found: {**found, "output": [one for one in found["output"] if one["type"] != "Condition"]})),
    Fault("no-cancel", "lets no export be cancelled", _no_cancel),
    Fault("deathless-export", "says that an export was cancelled and goes on", _deathless),
)  # fmt: skip
