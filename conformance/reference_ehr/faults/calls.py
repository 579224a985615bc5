"""A call and its answer as a fault sees them, and what faults are made of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from conformance.reference_ehr.codec import encode, is_object
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.refusals import Json, Refusal, operation_outcome

import msgspec  # isort: skip

FHIR = "/fhir"


@dataclass(frozen=True, slots=True)
class Call:
    """A request; ``path`` without the query, header names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str:
        """The resource type that the path names, empty for none."""
        parts = self.path.removeprefix(FHIR).strip("/").split("/")
        return parts[0] if self.path.startswith(FHIR) and parts[0][:1].isupper() else ""

    @property
    def is_read(self) -> bool:
        """Whether one resource is read by its id."""
        return self.method == "GET" and bool(self.type) and self.path.count("/") == 3

    @property
    def is_search(self) -> bool:
        """Whether resources are searched for."""
        plain = self.method == "GET" and self.path.count("/") == 2
        return bool(self.type) and (plain or self.path.endswith("/_search"))

    @property
    def is_write(self) -> bool:
        """Whether a resource is created or updated, or a Bundle of them."""
        bundle = self.method == "POST" and self.path.rstrip("/") == FHIR
        return bundle or (self.method in ("POST", "PUT") and bool(self.type) and not self.is_search)


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """Return the body where it is an object, an empty one otherwise."""
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return found if is_object(found) else {}


Before = Callable[[Call, ReferenceEhr, str], Awaitable[Call | Answer]]
After = Callable[[Call, Answer, ReferenceEhr, str], Answer]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its name, what it does in a sentence, and the changes. ``value``: what it wants, empty for nothing."""

    name: str
    what: str
    before: Before | None = None
    after: After | None = None
    value: str = ""


def with_json(answer: Answer, body: Any) -> Answer:
    """Return the answer with another body."""
    return replace(answer, body=encode(body))


def without_header(answer: Answer, *names: str) -> Answer:
    """Return the answer without these headers."""
    return replace(answer, headers={name: value for name, value in answer.headers.items() if name not in names})


def refused(status: int, code: str, text: str) -> Answer:
    """Return a refusal as the EHR writes them."""
    outcome = operation_outcome(Refusal(status, code, "U-REF-FAULT", text))
    return Answer(status, {"content-type": "application/fhir+json"}, encode(outcome))


def parameters(call: Call) -> list[tuple[str, str]]:
    """Return a search's parameters, of its form too."""
    query = parse_qsl(call.query, keep_blank_values=True)
    return query + (parse_qsl(call.body.decode(), keep_blank_values=True) if call.path.endswith("/_search") else [])


def with_parameters(call: Call, pairs: list[tuple[str, str]]) -> Call:
    """Return the search with these parameters."""
    if call.path.endswith("/_search"):
        return replace(call, query="", body=urlencode(pairs).encode())
    return replace(call, query=urlencode(pairs))


def dropping(*names: str) -> Before:
    """Return what ignores these search parameters."""

    async def before(call: Call, _: ReferenceEhr, __: str) -> Call:
        if not call.is_search:
            return call
        return with_parameters(call, [(name, value) for name, value in parameters(call) if name not in names])

    return before


def each_resource(change: Callable[[Json], Json | None], *types: str) -> After:
    """Return what changes every resource of these types (all without any) that is read or found; None leaves it out."""

    def after(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
        if answer.status != 200 or not (call.is_read or call.is_search):
            return answer
        body = answer.json()
        if body.get("resourceType") != "Bundle":
            return with_json(answer, _changed(body, change, types) or {})
        entries: list[Json] = []
        for entry in body.get("entry", []):
            found = _changed(entry.get("resource", {}), change, types)
            entries += [{**entry, "resource": found}] if found is not None else []
        return with_json(answer, {**body, "entry": entries})

    return after


def _changed(one: Json, change: Callable[[Json], Json | None], types: tuple[str, ...]) -> Json | None:
    return change(one) if not types or one.get("resourceType") in types else one
