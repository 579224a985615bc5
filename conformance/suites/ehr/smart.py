"""SMART discovery: is the configuration there, and does it name what the service needs?"""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.ehr import backend
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got, is_redirect
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe

_DISCOVERY = "SMART discovery"
_NAMED = ("token_endpoint", "capabilities", "grant_types_supported")
_ALGORITHMS = {"RS384", "ES384"}


async def _configured(probe: Probe) -> Sequence[Told]:
    answer = await probe.smart()
    found = answer.object()
    path = "[base]/.well-known/smart-configuration"
    if is_redirect(answer):
        raise Untested("it is redirected (see reach.no-redirect)", (answer.number,))
    if answer.status != 200 and not await _is_fhir(probe):
        raise Untested("this address is no FHIR base (see reach.answers)", (answer.number,))
    if answer.status != 200 or not found:
        fix = f"publish {path}; without it no token can be asked for and no page be launched"
        return failed("there is no SMART configuration", answer.number, expected="200 JSON", got=got(answer), fix=fix)
    lacking = [name for name in _NAMED if not found.get(name)]
    said = [
        Told("fail", f"{name} is missing", "present", "absent", f"$.{name}", f"add {name}", exchanges=(answer.number,))
        for name in lacking
    ]
    return said or passed("the configuration is there, as JSON", answer.number)


async def _is_fhir(probe: Probe) -> bool:
    """Return whether anything at the address speaks JSON: else it is another address than the FHIR base."""
    return (await probe.metadata()).json() is not None


async def _endpoints(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.configuration()
    said: list[Told] = []
    for name in ("token_endpoint", "authorization_endpoint", "jwks_uri"):
        address = found.get(name)
        if isinstance(address, str) and not backend.is_safe(address):
            shown = f"{urlsplit(address).scheme or 'relative'} address"
            fix = f"write {name} as a whole https address"
            said += failed(f"{name} is not absolute over TLS", answer.number, expected="https://…", got=shown,
                           path=f"$.{name}", fix=fix)  # fmt: skip
    return said or passed("endpoints are absolute, over TLS or on this machine", answer.number)


async def _methods(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.configuration()
    methods = _texts(found, "token_endpoint_auth_methods_supported")
    algorithms = _texts(found, "token_endpoint_auth_signing_alg_values_supported")
    if "private_key_jwt" not in methods:
        fix = "support private_key_jwt; a shared secret cannot be kept apart for each client"
        path, shown = "$.token_endpoint_auth_methods_supported", ", ".join(methods) or "none"
        said = "private_key_jwt is not listed"
        return failed(said, answer.number, expected="private_key_jwt", got=shown, path=path, fix=fix)
    if not _ALGORITHMS & set(algorithms):
        path, shown = "$.token_endpoint_auth_signing_alg_values_supported", ", ".join(algorithms) or "none"
        said, fix = "neither RS384 nor ES384 is listed", "support one of the two and list it"
        return failed(said, answer.number, expected="RS384 or ES384", got=shown, path=path, fix=fix)
    return passed(f"private_key_jwt with {', '.join(sorted(_ALGORITHMS & set(algorithms)))}", answer.number)


async def _scopes(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.configuration()
    listed = _texts(found, "scopes_supported")
    if not listed:
        fix = "list what a client may ask for in scopes_supported of [base]/.well-known/smart-configuration"
        return warned("no scope is listed, so it cannot be seen what may be asked for", answer.number,
                      path="$.scopes_supported", fix=fix)  # fmt: skip
    wanted = await probe.scopes()
    lacking = [one for one in wanted if not backend.covered(one, listed)]
    if lacking:
        said = f"scopes that are needed and not listed: {', '.join(lacking)}"
        fix = "grant the client these scopes and list them (system/*.rs covers all reading)"
        return warned(said, answer.number, expected=lacking[0], path="$.scopes_supported", fix=fix)
    spelling = "SMART 1 (.read)" if await probe.is_v1() else "SMART 2 (.rs)"
    return passed(f"the scopes that are needed are listed, in the spelling of {spelling}", answer.number)


async def _pkce(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.configuration()
    if not found.get("authorization_endpoint"):
        return untested("no authorization_endpoint: no app is launched from here", answer.number)
    methods = _texts(found, "code_challenge_methods_supported")
    path, shown = "$.code_challenge_methods_supported", ", ".join(methods) or "none"
    if "S256" not in methods or "plain" in methods:
        said, fix = "PKCE is not S256 alone", "support S256 and not plain: the review page is launched with it"
        return failed(said, answer.number, expected="S256", got=shown, path=path, fix=fix)
    return passed("PKCE with S256", answer.number)


async def _matches(probe: Probe) -> Sequence[Told]:
    answer, found = await probe.configuration()
    metadata, statement = await probe.capability()
    told = dict(_oauth_uris(statement))
    pairs = {"token": "token_endpoint", "authorize": "authorization_endpoint"}
    said = [
        Told("warn", f"metadata and SMART configuration name two addresses as {pairs[name]}",
             "the same", "another", f"$.{pairs[name]}", "correct the one that is out of date",
             exchanges=(metadata.number, answer.number))
        for name, address in told.items()
        if name in pairs and found.get(pairs[name]) not in (None, address)
        and backend.is_safe(str(found[pairs[name]]))  # else smart.endpoints says it
    ]  # fmt: skip
    if not told:
        return untested("the CapabilityStatement names no endpoints, which it need not", metadata.number)
    return said or passed("the CapabilityStatement names the same endpoints", metadata.number, answer.number)


def _oauth_uris(value: Any) -> list[tuple[str, str]]:
    """Return (name, address) of the extension oauth-uris, wherever it stands."""
    if isinstance(value, list):
        return [one for inner in cast("list[Any]", value) for one in _oauth_uris(inner)]
    if not isinstance(value, dict):
        return []
    held = cast("Json", value)
    if str(held.get("url", "")).endswith("/oauth-uris"):
        inner = [cast("Json", one) for one in held.get("extension", ()) if isinstance(one, dict)]
        return [(str(one.get("url")), str(one.get("valueUri"))) for one in inner]
    return [one for inner in held.values() for one in _oauth_uris(inner)]


def _texts(found: Mapping[str, Any], name: str) -> list[str]:
    listed: Any = found.get(name)
    return [str(one) for one in cast("list[Any]", listed)] if isinstance(listed, list) else []


CHECKS: tuple[Check[Probe], ...] = (
    Check("smart.configuration", "It is published", _DISCOVERY, must.S1, "blocks-start", "ehr-team", _configured),
    Check("smart.endpoints", "Endpoints over TLS", _DISCOVERY, must.S2, "blocks-start", "ehr-team", _endpoints),
    Check("smart.methods", "private_key_jwt", _DISCOVERY, must.S3, "blocks-start", "ehr-team", _methods),
    Check("smart.scopes", "Scopes are listed", _DISCOVERY, must.S4, "degrades", "ehr-team", _scopes),
    Check("smart.pkce", "PKCE", _DISCOVERY, must.S5, "degrades", "ehr-team", _pkce),
    Check("smart.matches", "As in metadata", _DISCOVERY, must.S6, "information", "ehr-team", _matches),
)
