"""Faults of what the EHR says of itself, of its tokens, and of how it asks for them."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl

from conformance.reference_ehr.codec import encode
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults.calls import After, Answer, Call, Fault, refused, with_json
from conformance.reference_ehr.refusals import Json

_METADATA, _SMART = "/fhir/metadata", "/fhir/.well-known/smart-configuration"
_ALL = "system/*.cruds"


def _on(path: str, change: Callable[[Json], Json]) -> After:
    def after(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
        return with_json(answer, change(answer.json())) if call.path == path and answer.status == 200 else answer

    return after


def _without(*names: str) -> Callable[[Json], Json]:
    return lambda found: {name: value for name, value in found.items() if name not in names}


def _with(name: str, value: object) -> Callable[[Json], Json]:
    return lambda found: {**found, name: value}


def _each_type(change: Callable[[Json], Json | None]) -> Callable[[Json], Json]:
    def changed(found: Json) -> Json:
        (rest,) = found["rest"]
        kept = [new for one in rest["resource"] if (new := change(one)) is not None]
        return {**found, "rest": [{**rest, "resource": kept}]}

    return changed


def _no_writing(found: Json) -> Json:
    (rest,) = found["rest"]
    reading = ("read", "vread", "history-instance", "search-type")
    kept = [
        {**_without("conditionalCreate")(one), "interaction": [i for i in one["interaction"] if i["code"] in reading]}
        for one in rest["resource"]
    ]
    return {**found, "rest": [{**_without("interaction")(rest), "resource": kept}]}


def _other_oauth(found: Json) -> Json:
    return json.loads(json.dumps(found).replace("/token", "/old/token"))


async def _no_metadata(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(404, "not-found", "No metadata.") if call.path == _METADATA else call


async def _private_metadata(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(401, "login", "Log in first.") if call.path == _METADATA else call


async def _no_smart(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(404, "not-found", "No such document.") if call.path == _SMART else call


async def _no_token(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    body = b'{"error":"invalid_client"}'
    return Answer(401, {"content-type": "application/json"}, body) if call.path == "/token" else call


async def _careless(call: Call, ehr: ReferenceEhr, _: str) -> Call | Answer:
    """Give a token to everybody who asks."""
    if call.path != "/token":
        return call
    scope = dict(parse_qsl(call.body.decode())).get("scope", _ALL)
    body = {"access_token": _token(ehr, scope), "token_type": "Bearer", "expires_in": 300, "scope": scope}
    return Answer(200, {"content-type": "application/json", "cache-control": "no-store"}, encode(body))


async def _open(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    """Treat everybody as somebody who may do everything."""
    if not call.type:
        return call
    return replace(call, headers={**call.headers, "authorization": f"Bearer {_token(ehr, _ALL)}"})


async def _deaf(call: Call, _: ReferenceEhr, __: str) -> Call | Answer:
    return refused(401, "login", "A valid access token of this EHR is needed.") if call.type else call


async def _any_scope(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    """Ask for a token, and never look at its scope."""
    held = call.headers.get("authorization", "").removeprefix("Bearer ").split(".")
    return await _open(call, ehr, "") if len(held) == 3 and _claims(held[1]) else call


async def _any_token(call: Call, ehr: ReferenceEhr, _: str) -> Call:
    """Ask for a token, and never verify it: only what was given here keeps its scope."""
    held = call.headers.get("authorization", "").removeprefix("Bearer ")
    return await _open(call, ehr, "") if held and held.count(".") != 2 else call


def _claims(part: str) -> Json:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _token(ehr: ReferenceEhr, scope: str) -> str:
    return ehr.authorization.access_token("anybody", "anybody", scope, timedelta(minutes=5), {})


def _cacheable(call: Call, answer: Answer, _: ReferenceEhr, __: str) -> Answer:
    kept = {name: value for name, value in answer.headers.items() if name not in ("cache-control", "pragma")}
    return replace(answer, headers=kept) if call.path == "/token" else answer


FAULTS: tuple[Fault, ...] = (
    Fault("no-metadata", "has no CapabilityStatement", _no_metadata),
    Fault("private-metadata", "asks for a token at metadata", _private_metadata),
    Fault("other-version", "says that it speaks FHIR 1.9", after=_on(_METADATA, _with("fhirVersion", "1.9.0"))),
    Fault("unnamed", "does not name its software", after=_on(_METADATA, _without("software"))),
    Fault("thin-metadata", "leaves status, date and kind out",
          after=_on(_METADATA, _without("status", "date", "kind"))),
    Fault("xml-only", "lists XML alone", after=_on(_METADATA, _with("format", ["application/fhir+xml"]))),
    Fault("undeclared", "serves Condition and does not declare it",
          after=_on(_METADATA, _each_type(lambda one: None if one["type"] == "Condition" else one))),
    Fault("undeclared-parameters", "declares no search parameters",
          after=_on(_METADATA, _each_type(_without("searchParam")))),
    Fault("undeclared-writing", "declares no writing", after=_on(_METADATA, _no_writing)),
    Fault("no-smart", "has no SMART configuration", _no_smart),
    Fault("thin-smart", "leaves capabilities out of the SMART configuration",
          after=_on(_SMART, _without("capabilities"))),
    Fault("plain-endpoints", "names its token endpoint without TLS",
          after=_on(_SMART, _with("token_endpoint", "http://ehr.example/token"))),
    Fault("secrets-only", "takes shared secrets alone",
          after=_on(_SMART, _with("token_endpoint_auth_methods_supported", ["client_secret_basic"]))),
    Fault("no-scopes", "lists no scopes", after=_on(_SMART, _without("scopes_supported"))),
    Fault("plain-pkce", "takes PKCE without a hash",
          after=_on(_SMART, _with("code_challenge_methods_supported", ["plain"]))),
    Fault("two-endpoints", "names another token endpoint in metadata", after=_on(_METADATA, _other_oauth)),
    Fault("no-token", "gives no token", _no_token),
    Fault("half-token", "gives tokens without expires_in and scope",
          after=_on("/token", _without("expires_in", "scope"))),
    Fault("cacheable-token", "lets token answers be cached", after=_cacheable),
    Fault("cut-scope", "grants Patient alone and says so", after=_on("/token", _with("scope", "system/Patient.rs"))),
    Fault("careless-token", "gives a token to everybody", _careless),
    Fault("open", "asks for no token", _open),
    Fault("any-token", "takes made-up tokens", _any_token),
    Fault("token-not-taken", "gives tokens and takes none", _deaf),
    Fault("any-scope", "never looks at a token's scope", _any_scope),
)  # fmt: skip
