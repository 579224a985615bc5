"""The token endpoint of backend services: the right request and each wrong one; and the token at the FHIR endpoint."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.checks import Acts, Check, Requirement, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.suites.ehr import backend
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import fails, got, is_redirect
from conformance.suites.ehr.probe import Probe

_TOKENS = "backend token"
_HOUR_S = 3600


async def _granted(probe: Probe) -> Sequence[Told]:
    answer = await probe.granted()
    found = answer.object()
    if answer.status != 200 or not found.get("access_token"):
        # invalid_client is one word for what either side may have typed wrong: whoever holds the key compares first.
        acts: Acts | None = "integration-engineer" if _word(answer) == "invalid_client" else None
        return (Told("fail", "the EHR gives no token", "200 access_token", got(answer), "", _why(answer), acts,
                     (answer.number,)),)  # fmt: skip
    life = found.get("expires_in")
    whole = {
        "token_type": str(found.get("token_type", "")).lower() == "bearer",
        "expires_in": isinstance(life, int | float),
        "scope": bool(found.get("scope")),
    }
    if not all(whole.values()) or not isinstance(life, int | float):
        wrong = [name for name, good in whole.items() if not good]
        shown = ", ".join(f"{name} {'of another form' if found.get(name) else 'missing'}" for name in wrong)
        wanted = "token_type bearer, expires_in in seconds, scope"
        fix = f"send {' and '.join(wrong)} beside the token: SMART's backend services require each"
        return failed("the token answer is not whole", answer.number, expected=wanted, got=shown, fix=fix)
    if life > _HOUR_S:
        fix = "let backend tokens live for five minutes, as SMART recommends"
        return warned(f"the token lives for {life:g} s", answer.number, expected="300", got=f"{life:g}", fix=fix)
    return passed(f"a bearer token for {life:g} s", answer.number)


def _why(answer: Exchange) -> str:
    """Return what to look at, by the one word that OAuth allows."""
    if fails(answer):
        return "look at the server's log for this request: a token endpoint that fails says nothing about the client"
    return {
        "invalid_client": "compare, in this order: the client id; that the public key (its kid) is registered and can "
        "be fetched from the EHR's side; that aud is the token endpoint; the clocks",
        "invalid_scope": "grant the client the scopes that were asked for",
        "unsupported_grant_type": "allow client_credentials to this client (backend services)",
    }.get(
        _word(answer),
        "register the client for backend services, with its public key and its scopes",
    )


def _word(answer: Exchange) -> str:
    return str(answer.object().get("error"))


async def _no_store(probe: Probe) -> Sequence[Told]:
    answer = await _good(probe)
    if "no-store" in answer.header("cache-control"):
        return passed("token answers are not to be cached", answer.number)
    shown = answer.header("cache-control") or "no Cache-Control"
    fix = "send Cache-Control: no-store with every token answer"
    return failed("a token answer may be cached", answer.number, expected="no-store", got=shown, fix=fix)


async def _scope_kept(probe: Probe) -> Sequence[Told]:
    answer = await _good(probe)
    granted = str(answer.object().get("scope", "")).split()
    if not granted:
        raise Untested("the token answer names no scope (see token.granted)", (answer.number,))
    cut = [one for one in await probe.scopes() if not backend.covered(one, granted)]
    if not cut:
        return passed("every scope that was asked for is granted", answer.number)
    fix = f"grant the client {' '.join(cut)}"
    return failed(f"cut from the scope: {', '.join(cut)}", answer.number, path="$.scope", fix=fix)


async def _good(probe: Probe) -> Exchange:
    answer = await probe.granted()
    if answer.status != 200:
        raise Untested("the EHR gave no token", (answer.number,))
    return answer


def _bad(
    what: str, compare: str, ask: Callable[[Probe], Awaitable[Exchange]]
) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        await _good(probe)  # where no token is to be had, a refusal says nothing
        return _refused(await ask(probe), what, compare)

    return check


def _refused(answer: Exchange, what: str, compare: str) -> Sequence[Told]:
    if 400 <= answer.status < 500 and "access_token" not in answer.object():
        return passed(f"{what} is refused: {got(answer)}", answer.number)
    if answer.status >= 500:
        fix = "refuse it with 400 or 401; 5xx says that the server is at fault"
        return warned(f"{what} makes the server fail", answer.number, expected="400 or 401", got=got(answer), fix=fix)
    fix = f"{compare}, before a token is given; refuse with 400 or 401"
    return failed(f"{what} gets a token", answer.number, expected="400 or 401", got=str(answer.status), fix=fix)


async def _forged(probe: Probe) -> Exchange:
    token = await probe.assertion()
    return await probe.ask(assertion=backend.forged(token))


async def _expired(probe: Probe) -> Exchange:
    now = int(probe.clock().timestamp())
    return await probe.ask(iat=now - 7200, exp=now - 3600)


async def _replayed(probe: Probe) -> Sequence[Told]:
    token = await probe.assertion()
    first = await probe.ask(assertion=token)
    if first.status != 200:
        raise Untested("the first use was refused, so a second says nothing", (first.number,))
    keep = "keep each jti until its assertion ends, and take none twice"
    return _refused(await probe.ask(assertion=token), "an assertion that was used before", keep)


# ---- the token at the FHIR endpoint


async def _taken(probe: Probe) -> Sequence[Told]:
    await probe.ready()
    if probe.session.token is None:
        raise Untested("no token was given or asked for in this run (neither --client-id nor --token)")
    answer = await probe.session.get("Patient?_count=1")
    if answer.status != 401:
        return passed(f"a search with the token is answered with {answer.status}", answer.number)
    fix = "compare the token's issuer and audience with the FHIR base; a token of --token may have ended"
    return failed("the EHR does not take the token", answer.number, expected="200", got=got(answer), fix=fix)


async def _no_token(probe: Probe) -> Sequence[Told]:
    answer = await probe.bare()
    if answer.status == 200 and urlsplit(probe.base).hostname in backend.LOCAL and not await _has_token(probe):
        raise Untested("on this machine the EHR is read without any token", (answer.number,))
    return _unauthorised(answer, "a search without a token")


async def _wrong_token(probe: Probe) -> Sequence[Told]:
    if not await _has_token(probe):
        raise Untested("the EHR is read without a token in this run (neither --client-id nor --token was given)")
    if (await probe.bare()).status == 200:
        raise Untested("the EHR asks for no token at all (see token.none)")
    headers = {"authorization": "Bearer not-a-token"}
    answer = await probe.session.send("GET", "Patient?_count=1", headers=headers, token=False)
    return _unauthorised(answer, "a search with a made-up token")


async def _has_token(probe: Probe) -> bool:
    await probe.ready()
    return probe.session.token is not None


def _unauthorised(answer: Exchange, what: str) -> Sequence[Told]:
    if answer.status == 404:
        raise Untested("nothing is served at the search's address (404), so nothing could be refused", (answer.number,))
    if fails(answer) or is_redirect(answer):
        raise Untested(f"the answer is {answer.status}, which neither lets in nor refuses", (answer.number,))
    if answer.status != 401:
        fix = "ask for a valid token at every resource, and answer 401 without one"
        return failed(f"{what} is not refused with 401", answer.number, expected="401", got=got(answer), fix=fix)
    return passed(f"{what} is refused with 401", answer.number)


async def _small(probe: Probe) -> Sequence[Told]:
    await _good(probe)
    if (await probe.bare()).status == 200:
        raise Untested("the EHR asks for no token at all (see token.none)")
    letters = "read" if await probe.is_v1() else "rs"
    given = await probe.ask(scope=f"system/Patient.{letters}")
    token = given.object().get("access_token")
    if given.status != 200 or not isinstance(token, str):
        raise Untested("the EHR gives no token for Patient alone", (given.number,))
    path = f"Condition?patient={(await probe.patients())[0]}"
    answer = await probe.session.send("GET", path, headers={"authorization": f"Bearer {token}"}, token=False)
    if answer.status in (401, 403):
        return passed(f"a token for Patient alone reads no Condition: {answer.status}", given.number, answer.number)
    if answer.status != 200:
        raise Untested(f"the answer is {answer.status}, which neither gives nor refuses Conditions", (answer.number,))
    fix = "compare each request with the token's scope, and answer 403 beyond it"
    said = "a token for Patient alone reads Conditions"
    return failed(said, given.number, answer.number, expected="403", got=str(answer.status), fix=fix)


def _wrong(name: str, title: str, rule: Requirement, what: str, compare: str, **change: Any) -> Check[Probe]:
    ask = _bad(what, compare, lambda probe: probe.ask(**change))
    return Check(f"token.{name}", title, _TOKENS, rule, "degrades", "ehr-team", ask)


CHECKS: tuple[Check[Probe], ...] = (
    Check("token.granted", "A good request gets one", _TOKENS, must.T1, "blocks-start", "ehr-team", _granted),
    Check("token.no-store", "Never cached", _TOKENS, must.T2, "degrades", "ehr-team", _no_store),
    Check("token.scope", "No scope is cut", _TOKENS, must.T3, "blocks-start", "ehr-team", _scope_kept),
    _wrong("grant-type", "Another grant type", must.T4, "another grant type",
           "take grant_type client_credentials only of a backend service", grant_type="password"),
    _wrong("assertion-type", "Another assertion type", must.T5, "another assertion type",
           f"take client_assertion_type {backend.ASSERTION_TYPE} only", assertion_type="urn:x"),
    _wrong("audience", "Another audience", must.T5, "an assertion for another audience",
           "compare aud with the address of the token endpoint", aud="https://other.example/t"),
    _wrong("subject", "Another subject", must.T5, "an assertion whose subject is not the client",
           "compare sub with iss, and both with the client's id", sub="somebody-else"),
    Check("token.signature", "A changed assertion", _TOKENS, must.T5, "degrades", "ehr-team",
          _bad("an assertion that was changed after it was signed",
               "verify the signature with the client's registered key", _forged)),
    Check("token.expired", "An expired assertion", _TOKENS, must.T5, "degrades", "ehr-team",
          _bad("an expired assertion", "compare exp with the clock", _expired)),
    Check("token.replay", "An assertion counts once", _TOKENS, must.T6, "degrades", "ehr-team", _replayed),
    Check("token.taken", "It is taken", _TOKENS, must.T7, "blocks-start", "ehr-team", _taken),
    Check("token.none", "No token is 401", _TOKENS, must.T7, "degrades", "ehr-team", _no_token),
    Check("token.wrong", "A wrong token is 401", _TOKENS, must.T7, "degrades", "ehr-team", _wrong_token),
    Check("token.beyond", "Beyond the scope is 403", _TOKENS, must.T8, "degrades", "ehr-team", _small),
)  # fmt: skip
