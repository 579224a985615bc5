"""The JWT of every call: as CDS Hooks 2.0 "Trusting CDS Clients" asks, and as a service has to be able to rely on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from conformance.checks import Acts, Check, Consequence, Requirement, Told, Untested, failed, passed, warned
from conformance.listening.tokens import ASYMMETRIC
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.judging import Judge, Wrong, each, only, said, shown
from conformance.suites.cds_client.probe import Came, Probe, as_list, as_object

_GROUP = "tokens"
_RECOMMENDED = ("ES384", "RS384")
_SKEW_S, _LONGEST_S, _SHORT_S = 60, 3600, 300
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _read(probe: Probe) -> Sequence[Came]:
    """Return the hook calls and feedback whose token can be read."""
    found = [one for one in probe.calls + probe.feedback_or_none if "problem" not in one.token]
    return only(found, "no call had a JWT that could be read")


def _called(probe: Probe) -> Sequence[Came]:
    """Return the hook calls whose token can be read; feedback has an audience of its own."""
    return [one for one in _read(probe) if one.hook]


def _header(one: Came) -> Mapping[str, Any]:
    return as_object(one.token["header"])


def _claims(one: Came) -> Mapping[str, Any]:
    return as_object(one.token["claims"])


def _present(_: Probe, one: Came) -> Iterable[Wrong]:
    if "problem" in one.token:
        yield Wrong(
            f"a call came without a JWT: {one.token['problem']}", "Authorization",
            "switch on JWT authentication for this CDS service in the EHR",
            "Bearer, then a signed JWT", one.token["problem"],
        )  # fmt: skip


def _head(_: Probe, one: Came) -> Iterable[Wrong]:
    head = _header(one)
    for name in ("alg", "kid"):
        if not isinstance(head.get(name), str) or not head[name]:
            yield Wrong(f"the JWT's header lacks {name}", f"JWT header {name}", f"put {name} into the header",
                        "a text", shown(head.get(name)))  # fmt: skip
    if str(head.get("typ")).upper() != "JWT":
        yield Wrong("the JWT's header does not say typ JWT", "JWT header typ", "put typ: JWT into the header",
                    "JWT", shown(head.get("typ")), "warn")  # fmt: skip


def _algorithm(_: Probe, one: Came) -> Iterable[Wrong]:
    alg = _header(one).get("alg")
    expected = " or ".join(_RECOMMENDED)
    if alg not in ASYMMETRIC:
        yield Wrong("the JWT is not signed with an asymmetric algorithm", "JWT header alg",
                    f"sign with {expected}", expected, shown(alg))  # fmt: skip
    elif alg not in _RECOMMENDED:
        yield Wrong(f"the JWT is signed with {alg}, which the service does not take", "JWT header alg",
                    f"sign with {expected}", expected, shown(alg), "warn")  # fmt: skip


def _signed(_: Probe, one: Came) -> Iterable[Wrong]:
    if one.token.get("signature") == "bad":
        yield Wrong("the signature is not by the key that kid names", "JWT signature",
                    "sign with the private half of the published key; publish the key anew after a change")  # fmt: skip


def _known(_: Probe, one: Came) -> Iterable[Wrong]:
    if one.token.get("signature") == "unknown-key":
        yield Wrong("no key of the JWK Set has the kid of the JWT", "JWT header kid",
                    "publish the signing key in the JWK Set, under the kid that the JWT names",
                    "a kid of the JWK Set", shown(_header(one).get("kid")))  # fmt: skip


def _tried(probe: Probe) -> Sequence[Came]:
    """Return what could be tried against the EHR's keys."""
    found = [one for one in _read(probe) if one.token.get("signature") in ("good", "bad", "unknown-key")]
    asked = probe.keys()
    if not found and asked:
        raise Untested("the JWK Set could not be read (see token.keys)", tuple(one.number for one in asked))
    return only(found, "the EHR's keys are not known: give --jwks (an address or a file), or --fhir-base for its jku")


async def _keys(probe: Probe) -> Sequence[Told]:
    asked = probe.keys()
    if not asked:
        raise Untested("no JWK Set was asked for: the keys are in a file, or no address of them is known")
    bad = [one for one in asked if one.error or one.status != 200 or one.list("keys") is None]
    if not bad:
        return passed("the JWK Set is where the EHR says", *(one.number for one in asked))
    last = bad[-1]
    return failed(
        "the EHR's JWK Set cannot be read",
        *(one.number for one in bad),
        expected='200 and {"keys": […]}',
        got=last.error or f"{last.status} {last.header('content-type')}",
        path="$.keys",
        fix="publish the JWK Set at this address, reachable from where the service runs, or give its address",
    )


def _issuer(probe: Probe, one: Came) -> Iterable[Wrong]:
    iss, expected = _claims(one).get("iss"), str(probe.options.get("issuer") or "")
    if not isinstance(iss, str) or not iss:
        yield Wrong("the JWT lacks iss", "JWT iss", "put the EHR's issuer into iss", expected, shown(iss))
    elif expected and iss != expected:
        yield Wrong("the issuer (iss) is not the one that the service knows", "JWT iss",
                    f'enter the issuer as the EHR writes it: [ehr.cds_client] issuer = "{shown(iss)}"',
                    expected, shown(iss), acts="integration-engineer")  # fmt: skip


async def _issuers(probe: Probe) -> Sequence[Told]:
    calls = _read(probe)
    told = said([(one, wrong) for one in calls for wrong in _issuer(probe, one)], len(calls))
    issuers = sorted({shown(_claims(one).get("iss")) for one in calls})
    if len(issuers) > 1:
        fix = "use one issuer for all calls"
        told += warned("the calls name several issuers", expected="one", got=", ".join(issuers), fix=fix)
    known = "the expected one" if probe.options.get("issuer") else "always the same; give --issuer to compare it"
    return told or passed(f"the issuer is {issuers[0]}, {known}", *(one.number for one in calls[:5]))


def _audience(_: Probe, one: Came) -> Iterable[Wrong]:
    aud: Any = _claims(one).get("aud")
    if aud != one.url and one.url not in as_list(aud):
        yield Wrong("the audience (aud) is not the address that was called", "JWT aud",
                    f"enter the address of each service as its audience in the EHR, letter by letter: {one.url}; "
                    "or, if the EHR has one audience for all, list it under [ehr.cds_client] audiences",
                    one.url, shown(aud), acts="integration-engineer")  # fmt: skip


def _life(_: Probe, one: Came) -> Iterable[Wrong]:
    claims, at = _claims(one), one.at.timestamp()
    exp, iat, nbf = (claims.get(name) for name in ("exp", "iat", "nbf"))
    if not isinstance(exp, int | float) or not isinstance(iat, int | float):
        yield Wrong("the JWT lacks exp or iat", "JWT exp", "put exp and iat into the JWT, as seconds since 1970",
                    "two numbers", f"exp {shown(exp)}, iat {shown(iat)}")  # fmt: skip
        return
    clock = "set the EHR's clock by NTP, and make a token for each call"
    if exp <= at - _SKEW_S:
        yield Wrong("the JWT had expired when it came", "JWT exp", clock, "in the future", f"{at - exp:.0f} s ago")
    if iat > at + _SKEW_S or (isinstance(nbf, int | float) and nbf > at + _SKEW_S):
        yield Wrong("the JWT is of the future", "JWT iat", clock, "not later than now", f"{iat - at:.0f} s ahead")
    if exp <= iat:
        yield Wrong("the JWT ends before it begins", "JWT exp", "put the end of its life into exp", "after iat",
                    f"{iat - exp:.0f} s before iat")  # fmt: skip
    elif exp - iat > _LONGEST_S:
        yield Wrong("the JWT lives longer than an hour", "JWT exp", "let it live five minutes",
                    "up to 300 s", f"{exp - iat:.0f} s")  # fmt: skip
    elif exp - iat > _SHORT_S:
        yield Wrong("the JWT lives longer than five minutes", "JWT exp", "let it live five minutes",
                    "up to 300 s", f"{exp - iat:.0f} s", "warn")  # fmt: skip


async def _once(probe: Probe) -> Sequence[Told]:
    calls = _read(probe)
    fix = "make a new jti (a UUID) for every request"
    told = said([
        (one, Wrong("the JWT lacks jti", "JWT jti", fix, "a text", "absent"))
        for one in calls if not isinstance(_claims(one).get("jti"), str) or not _claims(one)["jti"]
    ], len(calls))  # fmt: skip
    held: dict[str, list[int]] = {}
    for one in [*calls, *(c for c in probe.came if c.exchange.asked.method == "GET" and "problem" not in c.token)]:
        if isinstance(_claims(one).get("jti"), str):
            held.setdefault(str(_claims(one)["jti"]), []).append(one.number)
    for numbers in held.values():
        if len(numbers) > 1:
            told += failed(f"{len(numbers)} requests have the same jti: the second is refused as a replay",
                           *numbers[:5], path="JWT jti", expected="a new one each time", fix=fix)  # fmt: skip
            break
    return told or passed(f"{len(held)} tokens have {len(held)} jti", *(one.number for one in calls[:5]))


async def _subject(probe: Probe) -> Sequence[Told]:
    calls = _read(probe)
    subjects = {shown(_claims(one)["sub"]) for one in calls if "sub" in _claims(one)}
    if len(subjects) > 1:
        fix = "send the same sub with every call, or none"
        return warned("the subject (sub) changes from call to call", *(one.number for one in calls[:5]), path="JWT sub",
                      expected="one value", got=f"{len(subjects)} values", fix=fix)  # fmt: skip
    return passed(f"the subject is {subjects.pop()}" if subjects else "no call has sub, which the standard allows")


def _jku(probe: Probe, one: Came) -> Iterable[Wrong]:
    jku = _header(one).get("jku")
    if jku is None:
        return
    # The issuer that is known: where iss is another, token.issuer says it.
    iss = str(probe.options.get("issuer") or _claims(one).get("iss"))
    parts, issuer = urlsplit(str(jku)), urlsplit(iss).netloc
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        yield Wrong("the address of the keys (jku) is not https", "JWT header jku",
                    "publish the keys over https and name that address", "https://…", shown(jku))  # fmt: skip
    elif parts.netloc != issuer:
        yield Wrong("the address of the keys (jku) is on another host than the issuer", "JWT header jku",
                    "compare it with the address that the vendor gave, and name that as [ehr.cds_client] jwks_url",
                    issuer, parts.netloc, "warn", "integration-engineer")  # fmt: skip


def _check(
    name: str, title: str, requirement: Requirement, judge: Judge, fine: str,
    consequence: Consequence = "blocks-start", acts: Acts = "ehr-team",
) -> Check[Probe]:  # fmt: skip
    return Check(f"token.{name}", title, _GROUP, requirement, consequence, acts, each(_read, judge, fine))


CHECKS: tuple[Check[Probe], ...] = (
    Check("token.present", "Every call has a JWT", _GROUP, must.J1, "blocks-start", "ehr-team",
          each(lambda probe: probe.calls, _present, "every hook call carries a JWT")),
    _check("header", "Header of the JWT", must.J3, _head, "the header has alg, kid and typ"),
    _check("algorithm", "Algorithm", must.J4, _algorithm, "signed with a recommended algorithm"),
    Check("token.keys", "The EHR's keys", _GROUP, must.J5, "degrades", "ehr-team", _keys),
    Check("token.key", "The key is published", _GROUP, must.J5, "blocks-start", "ehr-team",
          each(_tried, _known, "the kid names a published key")),
    Check("token.signature", "The signature holds", _GROUP, must.J5, "blocks-start", "ehr-team",
          each(_tried, _signed, "the signature is the EHR's")),
    Check("token.issuer", "The issuer", _GROUP, must.J6, "blocks-start", "ehr-team", _issuers),
    Check("token.audience", "The audience", _GROUP, must.J7, "blocks-start", "integration-engineer",
          each(_called, _audience, "the audience is the address called")),
    _check("life", "The life of the JWT", must.J8, _life, "the life is short, around the call"),
    Check("token.once", "Each token has its own jti", _GROUP, must.J9, "blocks-start", "ehr-team", _once),
    Check("token.subject", "The subject", _GROUP, must.J11, "information", "ehr-team", _subject),
    _check("jku", "Where the keys are", must.J10, _jku, "the keys are where the EHR is, or no jku is given",
           "information"),
)  # fmt: skip
