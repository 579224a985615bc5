"""Faults of writing: what is refused, lost, answered too shortly, or written twice."""

from dataclasses import replace
from typing import Any

from conformance.reference_ehr.codec import encode, is_object
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults.calls import Answer, Call, Fault, dropping, refused, without_header
from conformance.reference_ehr.refusals import Json

import msgspec  # isort: skip


def _body(call: Call) -> Json:
    found: Any = msgspec.json.decode(call.body) if call.body else None
    return found if is_object(found) else {}


def _resources(call: Call) -> list[Json]:
    body = _body(call)
    held = (
        [entry.get("resource", {}) for entry in body.get("entry", [])] if body.get("resourceType") == "Bundle" else []
    )
    return [one for one in [body, *held] if one.get("resourceType") == "MedicationRequest"]


async def _only_active(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    if call.is_write and any(one.get("status") not in ("active", "entered-in-error") for one in _resources(call)):
        return refused(422, "business-rule", "Only active orders are taken.")
    return call


async def _demands(call: Call, _: ReferenceEhr, value: str) -> Call | Answer:
    """Refuse, as a validator of a site's profile does, an order that lacks these elements."""
    orders = _resources(call) if call.is_write else []
    lacking = [name for one in orders for name in value.split(",") if name not in one]
    if not lacking:
        return call
    issues = [
        {"severity": "error", "code": "required", "expression": [f"MedicationRequest.{name}"],
         "diagnostics": f"MedicationRequest.{name}: minimum required = 1, but only found 0"}
        for name in dict.fromkeys(lacking)
    ]  # fmt: skip
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    return Answer(422, {"content-type": "application/fhir+json"}, encode(outcome))


async def _read_only(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(405, "not-supported", "Nothing is written here.") if call.is_write else call


def _empty(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    return replace(answer, body=b"") if call.is_write and answer.status == 201 else answer


def _nowhere(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    return without_header(answer, "location") if call.is_write else answer


def _no_etag(_: Call, answer: Answer, __: ReferenceEhr, ___: str) -> Answer:
    return without_header(answer, "etag")


async def _no_if_none_exist(call: Call, _: ReferenceEhr, __: str) -> Call:
    kept = {name: value for name, value in call.headers.items() if name != "if-none-exist"}
    return replace(call, headers=kept)


async def _no_if_match(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    held = ehr.store.find(call.path.removeprefix("/fhir/")) if call.method == "PUT" else None
    return replace(call, headers={**call.headers, "if-match": held.etag}) if held else call


async def _drops(call: Call, _: ReferenceEhr, value: str) -> Call:
    if not call.is_write:
        return call
    body, names = _body(call), value.split(",")
    kept = {name: inner for name, inner in body.items() if name not in names or name == "resourceType"}
    entries = [
        {**entry, "resource": {n: v for n, v in entry.get("resource", {}).items() if n not in names}}
        for entry in body.get("entry", [])
    ]
    return replace(call, body=encode({**kept, "entry": entries} if entries else kept))


async def _no_transaction(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    bundle = call.method == "POST" and call.path.rstrip("/") == "/fhir"
    return refused(405, "not-supported", "No transactions.") if bundle else call


async def _half(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    """Keep what stands before a broken entry of a transaction."""
    if call.method == "POST" and call.path.rstrip("/") == "/fhir":
        for one in _resources(call):
            if "subject" in one and one.get("status"):
                ehr.store.create(one)
    return call


async def _anything(call: Call, ehr: ReferenceEhr, _: str) -> Call | Answer:
    """Store what is created without a patient."""
    if call.method != "POST" or not call.is_write or not call.type or "subject" in _body(call):
        return call
    version = ehr.store.create({"resourceType": call.type, **_body(call)})
    headers = {"location": f"{ehr.base}/{version.reference}/_history/1", "etag": version.etag}
    return Answer(201, {**headers, "content-type": "application/fhir+json"}, encode(version.body))


async def _stays(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(405, "not-supported", "Nothing is changed here.") if call.method in ("PUT", "DELETE") else call


FAULTS: tuple[Fault, ...] = (
    Fault("read-only", "takes no writes", _read_only),
    Fault("only-active", "takes active orders alone", _only_active),
    Fault("demands", "takes no order without these elements", _demands, value="NAME,…"),
    Fault("empty-create", "answers a create without a body", after=_empty),
    Fault("no-location", "does not say where a new resource is", after=_nowhere),
    Fault("no-etag", "sends no ETag", after=_no_etag),
    Fault("ignored-if-none-exist", "ignores If-None-Exist", _no_if_none_exist),
    Fault("ignored-if-match", "ignores If-Match", _no_if_match),
    Fault("drops", "loses these elements of what is written", _drops, value="NAME,…"),
    Fault("no-transaction", "takes no transactions", _no_transaction),
    Fault("half-transaction", "keeps parts of a transaction that fails", _half),
    Fault("takes-anything", "stores what is not valid", _anything),
    Fault("nothing-taken-back", "lets nothing be changed or deleted", _stays),
    Fault("ignored-identifier", "ignores the search parameter identifier", dropping("identifier")),
)
