"""Tokens of callers: each kind of bad one is refused, and nobody is told why."""

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from conformance.checks import Check, Requirement, Told, Untested, failed, passed, warned
from conformance.exchanges import Exchange
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe

_GROUP = "tokens"
_TELLING = ("signature", "expired", "audience", "issuer", "replay", "kid", "algorithm", " jti")

_ASYMMETRIC = "take ES384 and RS384 only, whatever the token's header says"
_SIGNED = "verify the signature over header and claims with the issuer's public key"
_KEPT = "remember each jti until its token ends"
_FIXES = {
    "none": "ask for a Bearer token",
    "alg-none": _ASYMMETRIC,
    "symmetric": _ASYMMETRIC,
    "altered": _SIGNED,
    "expired": "compare exp with the clock",
    "no-end": "ask for exp",
    "audience": "compare aud with the address that is called, letter by letter",
    "issuer": "compare iss with the issuers that are registered",
    "unknown-key": "take keys only from the issuer's registered key set, found by kid",
}


def _judged(answer: Exchange, what: str, fix: str = "") -> Sequence[Told]:
    got = str(answer.status)
    if answer.status >= 500:
        fix = "check the token before it is used, and refuse it with 401"
        return failed(f"{what} makes the service fail", answer.number, expected="401", got=got, fix=fix)
    if answer.status < 400:
        fix = f"{fix}, and answer 401 otherwise" if fix else "answer 401"
        return failed(f"{what} is not refused", answer.number, expected="401", got=got, fix=fix)
    if answer.status != 401:
        fix = "answer 401, so that the EHR's team looks at the token"
        return warned(f"{what} is refused with another status", answer.number, expected="401", got=got, fix=fix)
    told = [word for word in _TELLING if word.encode() in answer.body.lower()]
    if told:
        fix = "say only that authentication is needed; the reason belongs in the service's log"
        return warned(f"{what} is refused, and the answer says why", answer.number, expected="401 and no reason",
                      got=f"a word of the reason ({told[0].strip()})", fix=fix)  # fmt: skip
    return passed(f"{what} is refused with 401", answer.number)


async def _path(probe: Probe) -> tuple[Json, bytes, str]:
    if probe.client is None:
        raise Untested(probe.without_client())
    service = await probe.service("patient-view")
    return service, json.dumps(await probe.request(service)).encode(), f"/cds-services/{service['id']}"


def _bad(
    what: str, token: Callable[[Probe, str], str | None], fix: str = ""
) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        service, body, path = await _path(probe)
        return _judged(await probe.call(service, body, token=token(probe, path)), what, fix)

    return check


def _unsigned(algorithm: str) -> Callable[[Probe, str], str]:
    """Return a token of good claims whose signature is none, or one made with what everybody knows."""

    def token(probe: Probe, path: str) -> str:
        good = str(probe.token(path))
        head = json.loads(_decoded(good.split(".")[0])) | {"alg": algorithm}
        signature = "" if algorithm == "none" else _encoded(b"x" * 32)
        return f"{_encoded(json.dumps(head).encode())}.{good.split('.')[1]}.{signature}"

    return token


def _expired(probe: Probe, path: str) -> str | None:
    now = int(probe.clock().timestamp())
    return probe.token(path, iat=now - 7200, exp=now - 3600)


def _altered(probe: Probe, path: str) -> str:
    head, _, signature = str(probe.token(path)).split(".")
    other = str(probe.token(path, sub="somebody else")).split(".")[1]
    return f"{head}.{other}.{signature}"


async def _replayed(probe: Probe) -> Sequence[Told]:
    service, body, path = await _path(probe)
    token = probe.token(path)
    first = await probe.call(service, body, token=token)
    if first.status == 401:
        raise Untested("the good token was refused, so its second use says nothing", (first.number,))
    return await _softly(
        probe, _judged(await probe.call(service, body, token=token), "a token that was used before", _KEPT)
    )


async def _nameless(probe: Probe) -> Sequence[Told]:
    return await _softly(
        probe, await _bad("a token without jti", lambda p, path: p.token(path, jti=None), "ask for jti")(probe)
    )


async def _softly(probe: Probe, said: Sequence[Told]) -> Sequence[Told]:
    """Warn of another's service where ours would fail: the standard lets it remember ids, and does not ask it to."""
    if await probe.is_ours():
        return said
    return [replace(one, verdict="warn") if one.verdict == "fail" else one for one in said]


async def _feedback(probe: Probe) -> Sequence[Told]:
    service, _, _ = await _path(probe)
    path = f"/cds-services/{service['id']}/feedback"
    answer = await probe.send("POST", path, b'{"feedback": []}', token=None)
    if answer.status in (404, 405):
        raise Untested("the service has no feedback address, which the standard allows", (answer.number,))
    return _judged(answer, "feedback without a token")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _check(
    name: str, title: str, requirement: Requirement, what: str, token: Callable[[Probe, str], str | None]
) -> Check[Probe]:
    judge = _bad(what, token, _FIXES[name])
    return Check(f"tokens.{name}", title, _GROUP, requirement, "blocks-start", "service-team", judge)


CHECKS: tuple[Check[Probe], ...] = (
    _check("none", "A token is needed", must.J2, "a call without a token", lambda _, __: None),
    _check("alg-none", "alg none is refused", must.J4, "a token without a signature", _unsigned("none")),
    _check("symmetric", "HS256 is refused", must.J4, "a token with a symmetric signature", _unsigned("HS256")),
    _check("altered", "A changed token is refused", must.J3, "a token with other claims than were signed", _altered),
    _check("expired", "An expired token is refused", must.J3, "an expired token",
           lambda p, path: _expired(p, path)),
    _check("no-end", "A token without an end is refused", must.J3, "a token without exp",
           lambda p, path: p.token(path, exp=None)),
    _check("audience", "The audience is compared", must.J3, "a token for another address",
           lambda p, path: p.token(path, aud="https://another.example/cds-services/x")),
    _check("issuer", "The issuer is known", must.J3, "a token of an unknown issuer",
           lambda p, path: p.token(path, iss="https://nobody.example")),
    _check("unknown-key", "The key is known", must.J3, "a token of an unknown key",
           lambda p, path: p.token(path, header={"kid": "no-such-key"})),
    Check("tokens.no-jti", "A token has an id", _GROUP, must.J7, "blocks-start", "service-team", _nameless),
    Check("tokens.replay", "A token counts once", _GROUP, must.J7, "blocks-start", "service-team", _replayed),
    Check("tokens.feedback", "Feedback needs a token too", _GROUP, must.J2, "blocks-start", "service-team", _feedback),
)  # fmt: skip
