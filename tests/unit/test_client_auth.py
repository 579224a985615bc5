"""Who may call the hooks: a JWT attack table, and the keys behind it."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from service.cds import client_auth
from service.cds.client_auth import LEEWAY_S
from service.cds.client_keys import ClientKeys, read_keys
from service.ehr import tenants
from service.ehr.limits import Bucket
from service.errors import ConfigError, Forbidden, TooMany, Unauthenticated, Unavailable
from service.settings import CdsClient, Ehr, Limits, Server, Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER = "https://ehr.north.example/fhir"
SERVICE = "psychotropic-options"
AUDIENCE = f"https://undersign.north.example/cds-services/{SERVICE}"
EC = ECKey.generate_key("P-384", {"kid": "ec"}, auto_kid=False)
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
OTHER = ECKey.generate_key("P-384", {"kid": "ec"}, auto_kid=False)
P256 = ECKey.generate_key("P-256", {"kid": "p256"}, auto_kid=False)
PUBLIC = json.dumps({"keys": [key.as_dict(private=False) for key in (EC, RSA, P256)]}).encode()


@dataclass
class Seen:
    """The part of a store that remembers tokens."""

    ids: set[tuple[str, str]] = field(default_factory=set)
    until: list[datetime] = field(default_factory=list)

    async def now(self) -> datetime:
        """Return a time of the store that is an hour ahead of the service's."""
        return NOW + timedelta(hours=1)

    async def seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Remember an id."""
        known = (issuer, jti) in self.ids
        self.ids.add((issuer, jti))
        self.until.append(expires)
        return known


@dataclass
class Stub:
    """What the check needs of the services."""

    settings: Settings
    keys: dict[str, ClientKeys]
    store: Seen = field(default_factory=Seen)
    clock: Callable[[], datetime] = lambda: NOW


def client(path: Path, **more: Any) -> CdsClient:
    """Return the tenant's client settings over a key file."""
    file = path / "jwks.json"
    file.write_bytes(PUBLIC)
    return CdsClient(issuer=ISSUER, jwks_file=file, audiences=(AUDIENCE,), **more)


def services(path: Path, *, development: bool = False, **more: Any) -> Stub:
    """Return services of one tenant."""
    ehr = Ehr(id="north", name="North", fhir_base=ISSUER, cds_client=client(path, **more))
    server = Server(development=development)
    return Stub(Settings(server=server, ehr=(ehr,)), {"north": ClientKeys(ehr.cds_client)})


def claims(**change: Any) -> dict[str, Any]:
    """Return good claims with a change; None removes a claim."""
    base = {"iss": ISSUER, "aud": AUDIENCE, "exp": AT + 300, "iat": AT, "jti": "one"}
    return {name: value for name, value in (base | change).items() if value is not None}


def token(key: Any = EC, alg: str = "ES384", header: dict[str, Any] | None = None, **change: Any) -> str:
    """Return a signed token as an Authorization header."""
    head = {"alg": alg, "kid": key.kid, "typ": "JWT"} | (header or {})
    signed = jwt.encode(head, claims(**change), key, algorithms=[alg])
    return f"Bearer {signed}"


def check(stub: Stub, authorization: str | None, *, feedback: bool = False) -> Ehr | None:
    """Authenticate once."""
    sent = [] if authorization is None else [authorization]
    known: Any = stub
    return asyncio.run(client_auth.authenticate(sent, known, SERVICE, feedback=feedback))


@pytest.mark.parametrize(
    ("key", "alg", "change"),
    [
        (EC, "ES384", {}),
        (RSA, "RS384", {}),
        (EC, "ES384", {"aud": [AUDIENCE, "https://else.example"]}),
        (EC, "ES384", {"exp": AT - 30, "iat": AT - 300}),
        (EC, "ES384", {"iat": AT + 30}),
        (EC, "ES384", {"nbf": AT, "sub": ISSUER, "tenant": "x"}),
    ],
)
def test_a_good_token_gives_its_tenant(tmp_path: Path, key: Any, alg: str, change: dict[str, Any]) -> None:
    """ES384 and RS384 tokens within a minute of their time, one audience of ours among theirs, are taken."""
    found = check(services(tmp_path), token(key, alg, **change))
    assert found is not None
    assert found.id == "north"


def test_typ_and_jku_are_not_needed_and_not_followed(tmp_path: Path) -> None:
    """A token without typ, or with a jku to elsewhere, is judged by the configured keys alone."""
    stub = services(tmp_path)
    assert check(stub, token(header={"jku": "https://evil.example/jwks"}))
    assert check(stub, token(header={"typ": "at+jwt"}, jti="two"))


def part(value: dict[str, Any]) -> str:
    """Return one part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(alg: str = "none") -> str:
    """Return a token without a signature."""
    return f"Bearer {part({'alg': alg, 'kid': 'ec'})}.{part(claims())}."


def signed_by_hand(header: dict[str, Any], payload: str) -> str:
    """Return a token with a right signature over parts that a library would not write."""
    text = f"{part(header)}.{payload}"
    r, s = decode_dss_signature(EC.private_key.sign(text.encode(), ECDSA(SHA384())))  # type: ignore[union-attr]
    raw = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    return f"Bearer {text}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


HEADER = {"alg": "ES384", "kid": "ec"}
TWICE = base64.urlsafe_b64encode(b'{"iss":"x",' + json.dumps(claims()).encode()[1:]).decode().rstrip("=")
HMAC = OctKey.import_key(PUBLIC, {"kid": "ec"})
TAMPERED = token()[:-8] + "AAAAAAAA"
ATTACKS: dict[str, str] = {
    "alg none": unsigned(),
    "alg missing": unsigned(""),
    "public key as HMAC secret": token(HMAC, "HS384", header={"kid": "ec"}),
    "key of somebody else under a known kid": token(OTHER),
    "unknown kid": token(header={"kid": "nobody"}),
    "kid of another type": token(RSA, "RS384", header={"kid": "ec"}),
    "algorithm off the list": token(P256, "ES256"),
    "signature changed": TAMPERED,
    "crit that nobody knows": signed_by_hand(HEADER | {"crit": ["x"], "x": 1}, part(claims())),
    "claim given twice": signed_by_hand(HEADER, TWICE),
    "issuer unknown": token(iss="https://evil.example"),
    "issuer with a slash more": token(iss=ISSUER + "/"),
    "issuer missing": token(iss=None),
    "audience of another": token(aud="https://else.example"),
    "audience as prefix": token(aud=AUDIENCE + "/"),
    "audience missing": token(aud=None),
    "audience empty": token(aud=[]),
    "expired": token(exp=AT - 61, iat=AT - 300),
    "exp missing": token(exp=None),
    "exp as text": token(exp=str(AT + 300)),
    "issued in the future": token(iat=AT + 61),
    "iat missing": token(iat=None),
    "not yet valid": token(nbf=AT + 61),
    "lives longer than an hour": token(exp=AT + 3601),
    "ends before it begins": token(exp=AT - 10, iat=AT + 10),
    "jti missing": token(jti=None),
    "jti empty": token(jti=""),
    "jti too long": token(jti="x" * 257),
    "no bearer": token().replace("Bearer", "Basic"),
    "empty": "Bearer ",
    "garbage": "Bearer abc",
    "five parts": "Bearer a.b.c.d.e",
    "too long": "Bearer " + "a" * 9000,
    "not ASCII": "Bearer ÿ.ÿ.ÿ",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_401_and_says_nothing_of_why(tmp_path: Path, attack: str) -> None:
    """Every token of the attack table is refused with the same code and the same words."""
    with pytest.raises(Unauthenticated) as caught:
        check(services(tmp_path), ATTACKS[attack])
    assert (caught.value.code, caught.value.message) == ("U-AUTH", "authentication is required")


def test_the_refused_token_is_not_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a refusal names its reason and the tenant, never the token."""
    from service import telemetry

    telemetry.configure("info")
    with pytest.raises(Unauthenticated):
        check(services(tmp_path), ATTACKS["audience of another"])
    logged = capsys.readouterr().err
    assert '"reason": "audience"' in logged
    assert AUDIENCE in logged
    assert "eyJ" not in logged


def test_a_token_counts_once(tmp_path: Path) -> None:
    """The second use of a token is refused; another id of the same issuer is not."""
    stub = services(tmp_path)
    assert check(stub, token())
    with pytest.raises(Unauthenticated):
        check(stub, token())
    assert check(stub, token(jti="two"))


def test_a_token_is_remembered_for_its_life_by_the_stores_clock(tmp_path: Path) -> None:
    """A store whose clock is an hour ahead keeps the id an hour longer, and so as long as the token can be used."""
    stub = services(tmp_path)
    check(stub, token())
    (until,) = stub.store.until
    assert until - (NOW + timedelta(hours=1)) == timedelta(seconds=300 + LEEWAY_S)


OPTIONS, SIGN = "https://u.example/cds-services/psychotropic-options", "https://u.example/cds-services/order-sign"


@pytest.mark.parametrize(
    ("configured", "at_hook", "at_feedback"),
    [
        ((OPTIONS,), {OPTIONS}, {f"{OPTIONS}/feedback"}),
        ((f"{OPTIONS}/feedback",), set(), {f"{OPTIONS}/feedback"}),
        ((SIGN, f"{SIGN}/feedback"), set(), set()),
        ((SIGN, OPTIONS), {OPTIONS}, {f"{OPTIONS}/feedback"}),
        (("https://u.example",), {"https://u.example"}, {"https://u.example", "https://u.example/feedback"}),
        (("https://u.example/cds-services",), {"https://u.example/cds-services"}, None),
        ((f"{OPTIONS}/",), {f"{OPTIONS}/"}, {f"{OPTIONS}/feedback"}),
        ((f"{SIGN}/",), set(), set()),
        (("https://u.example/hand-typed",), {"https://u.example/hand-typed"}, None),
    ],
)
def test_what_an_audience_counts_for(
    configured: tuple[str, ...], at_hook: set[str] | None, at_feedback: set[str] | None
) -> None:
    """An audience that names a service counts there and, with /feedback, for its feedback; another one everywhere."""
    hook, feedback = (client_auth.audiences(configured, SERVICE, feedback=one) for one in (False, True))
    everywhere = set(configured)
    assert hook == (everywhere if at_hook is None else at_hook)
    assert feedback == (everywhere | {f"{configured[0]}/feedback"} if at_feedback is None else at_feedback)


def test_feedback_takes_its_own_audience(tmp_path: Path) -> None:
    """A token made out to …/feedback is taken on the feedback path only, and the hook's own not there."""
    stub = services(tmp_path)
    assert check(stub, token(aud=AUDIENCE + "/feedback"), feedback=True)
    with pytest.raises(Unauthenticated):
        check(stub, token(aud=AUDIENCE + "/feedback", jti="two"))
    with pytest.raises(Unauthenticated):
        check(stub, token(jti="three"), feedback=True)


def test_a_tenants_algorithms_are_its_own(tmp_path: Path) -> None:
    """An RS384 token is refused where the tenant lists ES384 only."""
    with pytest.raises(Unauthenticated):
        check(services(tmp_path, algorithms=("ES384",)), token(RSA, "RS384"))


def test_a_strangers_token_counts_as_none_in_development(tmp_path: Path) -> None:
    """Where a tenant needs no token, one of an unknown issuer is as good as none; elsewhere it is refused."""
    stub = services(tmp_path, development=True, required=False)
    assert check(stub, token(iss="https://sandbox.cds-hooks.org")) is None
    assert check(stub, None) is None


def ehr(name: str, *, required: bool) -> Ehr:
    """Return a tenant."""
    return Ehr(id=name, name=name, fhir_base=f"https://{name}.example/fhir", cds_client=CdsClient(required=required))


A, B, C = ehr("a", required=True), ehr("b", required=False), ehr("c", required=False)


@pytest.mark.parametrize(
    ("caller", "server", "known", "found"),
    [
        (A, A.fhir_base, (A, B), "a"),
        (A, None, (A, B), "a"),
        (None, B.fhir_base, (A, B, C), "b"),
        (None, None, (A, B), "b"),
        (None, None, (A, B, C), Unauthenticated),
        (None, None, (A,), Unauthenticated),
        (None, A.fhir_base, (A,), Unauthenticated),
        (None, A.fhir_base, (A, B), Forbidden),
        (A, B.fhir_base, (A, B), Forbidden),
        (A, A.fhir_base + "/", (A,), Forbidden),
        (A, A.fhir_base.upper(), (A,), Forbidden),
        (A, "http://169.254.169.254/", (A,), Forbidden),
    ],
)
def test_the_tenant_of_a_call(caller: Ehr | None, server: str | None, known: tuple[Ehr, ...], found: Any) -> None:
    """A call is its token's tenant's; without one, only a tenant that needs none, by its base to the byte."""
    settings = Settings(server=Server(development=True), ehr=known)
    if isinstance(found, str):
        assert tenants.find(caller, server, settings).id == found
    else:
        with pytest.raises(found):
            tenants.find(caller, server, settings)


def test_no_token_is_never_enough_outside_development() -> None:
    """Outside development a tenant is not found without a token, whatever it says of itself."""
    with pytest.raises(Unauthenticated):
        tenants.find(None, B.fhir_base, Settings(ehr=(B,)))


@respx.mock
def test_keys_are_fetched_once_and_again_for_an_unknown_kid() -> None:
    """Keys of a URL are fetched once, once more for an unknown kid, and not for each of a flood of them."""
    route = respx.get("https://k.example/jwks").mock(httpx.Response(200, content=PUBLIC))
    now = [0.0]
    keys = ClientKeys(CdsClient(jwks_url="https://k.example/jwks"), lambda: now[0])

    async def use() -> None:
        assert await keys.find("ec")
        assert await keys.find("rsa")
        assert route.call_count == 1
        now[0] = 11
        assert await keys.find("nobody") is None
        assert await keys.find("nobody") is None
        assert route.call_count == 2
        now[0] = 700
        assert await keys.find("ec")
        assert route.call_count == 3

    asyncio.run(use())


@respx.mock
def test_a_known_key_waits_for_no_fetch_of_an_unknown_one() -> None:
    """While the key server hangs over somebody else's kid, a kid that is known is answered at once."""
    asked, answered = asyncio.Event(), asyncio.Event()
    now = [0.0]

    async def answer(_: httpx.Request) -> httpx.Response:
        if now[0]:
            asked.set()
            await answered.wait()
        return httpx.Response(200, content=PUBLIC)

    respx.get("https://k.example/jwks").mock(side_effect=answer)
    keys = ClientKeys(CdsClient(jwks_url="https://k.example/jwks"), lambda: now[0])

    async def use() -> None:
        assert await keys.find("ec")
        now[0] = 11
        stranger = asyncio.create_task(keys.find("nobody"))
        await asked.wait()
        assert await keys.find("ec")
        assert not stranger.done()
        answered.set()
        assert await stranger is None

    asyncio.run(use())


@respx.mock
def test_calls_that_wait_for_keys_wait_once() -> None:
    """Many calls at once over a dead key server make one fetch, and each ends with it; later it is asked again."""
    route = respx.get("https://k.example/jwks").mock(httpx.Response(500))
    now = [0.0]
    keys = ClientKeys(CdsClient(jwks_url="https://k.example/jwks"), lambda: now[0])

    async def use() -> None:
        found = await asyncio.gather(*(keys.find("ec") for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in found} == {Unavailable}
        assert route.call_count == 1
        route.mock(httpx.Response(200, content=PUBLIC))
        now[0] = 3
        assert await keys.find("ec")
        assert route.call_count == 2

    asyncio.run(use())


@respx.mock
def test_known_keys_outlive_their_server_by_a_day_and_no_longer() -> None:
    """While the key URL does not answer a known key counts on, but not for ever: it may have been withdrawn there."""
    route = respx.get("https://k.example/jwks").mock(httpx.Response(200, content=PUBLIC))
    now = [0.0]
    keys = ClientKeys(CdsClient(jwks_url="https://k.example/jwks"), lambda: now[0])

    async def use() -> None:
        assert await keys.find("ec")
        route.mock(httpx.Response(500))
        for hour in range(1, 24):
            now[0] = hour * 3600.0
            assert await keys.find("ec")
        now[0] = 25 * 3600.0
        with pytest.raises(Unavailable, match="U-CDS-KEYS"):
            await keys.find("ec")
        route.mock(httpx.Response(200, content=PUBLIC))
        now[0] += 10
        assert await keys.find("ec")

    asyncio.run(use())


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://k.example/other"}),
        httpx.Response(500),
        httpx.Response(200, content=b"{}"),
        httpx.Response(200, content=b'{"keys":[{"kty":"oct","k":"AAAA","kid":"ec"}]}'),
        httpx.Response(200, content=b" " * 300_000),
    ],
)
def test_keys_that_cannot_be_had_are_503(answer: httpx.Response) -> None:
    """Redirects, errors, symmetric keys and oversized sets give no key, and the call is told to try again."""
    respx.get("https://k.example/jwks").mock(answer)
    with pytest.raises(Unavailable, match="U-CDS-KEYS"):
        asyncio.run(ClientKeys(CdsClient(jwks_url="https://k.example/jwks")).find("ec"))


def test_a_key_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """A missing or unreadable key file is named at start-up."""
    for content in (None, b"no json", b'{"keys":[]}'):
        file = tmp_path / "jwks.json"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError, match="U-CONFIG-FILE"):
            ClientKeys(CdsClient(jwks_file=file)).check()


def test_weak_and_private_parts_of_keys_are_left_out() -> None:
    """A short RSA key is passed over, and a private key in the set is reduced to its public part."""
    whole = EC.as_dict(private=True)
    assert read_keys(json.dumps({"keys": [whole]}).encode())["ec"].is_private is False


def test_a_tenant_may_burst_and_then_waits() -> None:
    """Calls beyond the burst are refused until the bucket has filled again."""
    now = [0.0]
    bucket = Bucket(Limits(calls_per_second=2, burst=3), lambda: now[0])
    for _ in range(3):
        bucket.take()
    with pytest.raises(TooMany, match="U-EHR-RATE"):
        bucket.take()
    now[0] = 0.5
    bucket.take()
