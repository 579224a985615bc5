"""The table of attacks on a hook's token, over HTTP: each is 401 that says nothing, and the log says why."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.testclient import TestClient

from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings
from tests.fixtures import prefetch
from tests.integration.running import PATH, running

PUBLIC = "https://undersign.example"
SIGN = "/cds-services/psychotropic-order-sign"
NORTH, SOUTH = "https://ehr.north.example/fhir", "https://ehr.south.example/fhir"
AT = int(prefetch.NOW.timestamp())
EC = ECKey.generate_key("P-384", {"kid": "ec"}, auto_kid=False)
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
STRANGER = ECKey.generate_key("P-384", {"kid": "ec"}, auto_kid=False)
OF_SOUTH = ECKey.generate_key("P-384", {"kid": "south"}, auto_kid=False)
P256 = ECKey.generate_key("P-256", {"kid": "p256"}, auto_kid=False)
PEM, JWK = EC.as_pem(private=False), json.dumps(EC.as_dict(private=False)).encode()
IDS = count()


@dataclass(frozen=True)
class Attack:
    """What is sent as Authorization (one header each), where, and the reason that the log gives."""

    reason: str
    authorization: Callable[[], Sequence[str]]
    path: str = PATH


def tenant(name: str, base: str, folder: Path, *keys: ECKey | RSAKey, **client: Any) -> Ehr:
    """Return a tenant whose keys stand in a file."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
    known = CdsClient(issuer=base, jwks_file=file, audiences=(f"{PUBLIC}{PATH}",), **client)
    return Ehr(id=name, name=name, fhir_base=base, cds_client=known)


def house(folder: Path) -> Settings:
    """Return settings of two hospitals that both have to prove who they are."""
    north = tenant("north", NORTH, folder, EC, RSA, P256)
    south = tenant("south", SOUTH, folder, OF_SOUTH, algorithms=("ES384",))
    store = StoreSettings(url=f"sqlite:///{folder}/undersign.db")
    server, sign = Server(public_url=PUBLIC), Sign(key_file=folder / "key.json")
    return Settings(server=server, store=store, sign=sign, ehr=(north, south))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store of this file is."""
    return tmp_path_factory.mktemp("jwt")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    """One application for the table."""
    with running(house(folder)) as found:
        yield found


def claims(**change: Any) -> dict[str, Any]:
    """Return good claims with a change and an id of their own; None removes a claim."""
    base = {"iss": NORTH, "aud": f"{PUBLIC}{PATH}", "exp": AT + 300, "iat": AT, "jti": f"id-{next(IDS)}"}
    return {name: value for name, value in (base | change).items() if value is not None}


def signed(key: Any = EC, alg: str = "ES384", header: dict[str, Any] | None = None, **change: Any) -> str:
    """Return a signed token; ``header`` is added to its header."""
    head = {"alg": alg, "kid": key.kid, "typ": "JWT"} | (header or {})
    return jwt.encode(head, claims(**change), key, algorithms=[alg])


def part(value: str) -> str:
    """Return one part of a token."""
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def by_hand(header: str, payload: str | None = None) -> str:
    """Return a token with our own EHR's right signature over parts that a library would not write."""
    text = f"{part(header)}.{part(payload or json.dumps(claims()))}"
    r, s = decode_dss_signature(EC.private_key.sign(text.encode(), ECDSA(SHA384())))  # type: ignore[union-attr]
    return f"{text}.{base64.urlsafe_b64encode(r.to_bytes(48, 'big') + s.to_bytes(48, 'big')).decode().rstrip('=')}"


def bearer(make: Callable[[], str]) -> Callable[[], Sequence[str]]:
    """Return one Authorization header with a token."""
    return lambda: [f"Bearer {make()}"]


def _unsigned(alg: str) -> Callable[[], Sequence[str]]:
    return bearer(lambda: f"{part(json.dumps({'alg': alg, 'kid': 'ec'}))}.{part(json.dumps(claims()))}.")


def _hmac(alg: str, secret: bytes) -> Callable[[], Sequence[str]]:
    def made() -> str:
        text = f"{part(json.dumps({'alg': alg, 'kid': 'ec'}))}.{part(json.dumps(claims()))}"
        digest = hmac.new(secret, text.encode(), {"HS256": "sha256", "HS384": "sha384"}[alg]).digest()
        return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    return bearer(made)


def _claims(reason: str, **change: Any) -> Attack:
    return Attack(reason, bearer(lambda: signed(**change)))


def _header(reason: str, key: Any = EC, alg: str = "ES384", **header: Any) -> Attack:
    return Attack(reason, bearer(lambda: signed(key, alg, header)))


def _own_jwk() -> str:
    return signed(STRANGER, header={"jwk": STRANGER.as_dict(private=False)})


def _chain() -> str:
    return signed(STRANGER, header={"x5c": ["MIIB"], "x5u": "https://evil.example/chain.pem"})


SHAPE, NONE = "not a token of the expected shape", "no bearer token, or one too long"
TIME, LIFE = "outside its time", "lives longer than an hour"
TWICE = '{"iss":"x",' + json.dumps(claims(jti="twice"))[1:]
FEEDBACK = f"{PATH}/feedback"
ATTACKS: dict[str, Attack] = {
    "alg none": Attack("algorithm", lambda: [f"{_unsigned('none')()[0]}{part('x')}"]),
    "no header at all": Attack(SHAPE, lambda: [f"Bearer {part('{}')}.{part('{}')}.{part('x')}"]),
    "alg none without signature": Attack(NONE, _unsigned("none")),
    "alg None in capitals": Attack(NONE, _unsigned("NONE")),
    "public key as HMAC secret, PEM": Attack("algorithm", _hmac("HS256", PEM)),
    "public key as HMAC secret, JWK": Attack("algorithm", _hmac("HS384", JWK)),
    "algorithm off the list": _header("algorithm", P256, "ES256"),
    "stranger's key under a known kid": _header("signature", STRANGER),
    "unknown kid": _header("unknown kid", EC, kid="nobody"),
    "kid of another type of key": _header("signature", RSA, "RS384", kid="ec"),
    "kid as a path": _header("unknown kid", EC, kid="../../../../dev/null"),
    "kid of another hospital": _header("unknown kid", OF_SOUTH),
    "no kid": Attack(SHAPE, bearer(lambda: by_hand('{"alg":"ES384"}'))),
    "key in the header": Attack("signature", bearer(_own_jwk)),
    "certificate chain in the header": Attack("signature", bearer(_chain)),
    "jku to a stranger's host": Attack(
        "signature", bearer(lambda: signed(STRANGER, header={"jku": "https://evil.example/jwks"}))
    ),
    "crit that nobody knows": Attack(
        "signature", bearer(lambda: by_hand('{"alg":"ES384","kid":"ec","crit":["x"],"x":1}'))
    ),
    "unencoded payload": Attack(
        SHAPE, bearer(lambda: by_hand('{"alg":"ES384","kid":"ec","b64":false,"crit":["b64"]}'))
    ),
    "alg twice in the header": Attack(SHAPE, bearer(lambda: by_hand('{"alg":"none","alg":"ES384","kid":"ec"}'))),
    "kid twice in the header": Attack(SHAPE, bearer(lambda: by_hand('{"kid":"x","alg":"ES384","kid":"ec"}'))),
    "claim twice": Attack(SHAPE, bearer(lambda: by_hand('{"alg":"ES384","kid":"ec"}', TWICE))),
    "claims that are a list": Attack(SHAPE, bearer(lambda: by_hand('{"alg":"ES384","kid":"ec"}', "[]"))),
    "NaN as a time": Attack(
        SHAPE, bearer(lambda: by_hand('{"alg":"ES384","kid":"ec"}', json.dumps(claims(exp=float("nan")))))
    ),
    "signature changed": Attack("signature", bearer(lambda: signed()[:-8] + "AAAAAAAA")),
    "signature of another token": Attack(
        "signature", bearer(lambda: ".".join([*signed().split(".")[:2], signed().split(".")[2]]))
    ),
    "issuer unknown": _claims("issuer is no tenant's", iss="https://evil.example"),
    "issuer with a slash more": _claims("issuer is no tenant's", iss=f"{NORTH}/"),
    "issuer in capitals": _claims("issuer is no tenant's", iss=NORTH.upper()),
    "issuer missing": _claims(SHAPE, iss=None),
    "issuer of another hospital": Attack("unknown kid", bearer(lambda: signed(iss=SOUTH))),
    "audience of somebody else": _claims("audience", aud="https://else.example"),
    "audience with a slash more": _claims("audience", aud=f"{PUBLIC}{PATH}/"),
    "audience is the service's origin": _claims("audience", aud=PUBLIC),
    "audience missing": _claims(SHAPE, aud=None),
    "audience an empty list": _claims("audience", aud=[]),
    "audience of another hook": _claims("audience", aud=f"{PUBLIC}{SIGN}"),
    "good for patient-view, sent to order-sign": Attack("audience", bearer(signed), SIGN),
    "of order-sign, sent to order-sign, not configured": Attack(
        "audience", bearer(lambda: signed(aud=f"{PUBLIC}{SIGN}")), SIGN
    ),
    "of the feedback, sent to the hook": _claims("audience", aud=f"{PUBLIC}{FEEDBACK}"),
    "of the hook, sent to the feedback": Attack("audience", bearer(signed), FEEDBACK),
    "of another service's feedback": Attack(
        "audience", bearer(lambda: signed(aud=f"{PUBLIC}{SIGN}/feedback")), FEEDBACK
    ),
    "of this feedback, sent to another service's": Attack(
        "audience", bearer(lambda: signed(aud=f"{PUBLIC}{FEEDBACK}")), f"{SIGN}/feedback"
    ),
    "expired": _claims(TIME, exp=AT - 61, iat=AT - 300),
    "exp missing": _claims(SHAPE, exp=None),
    "exp as text": _claims(SHAPE, exp=str(AT + 300)),
    "exp as a truth": _claims(SHAPE, exp=True),
    "not yet valid": _claims(TIME, nbf=AT + 61),
    "issued in the future": _claims(TIME, iat=AT + 61),
    "iat missing": _claims(SHAPE, iat=None),
    "lives longer than an hour": _claims(LIFE, exp=AT + 3601),
    "lives for ever": _claims(LIFE, exp=1e18),
    "ends before it begins": _claims(LIFE, exp=AT - 10, iat=AT + 10),
    "jti missing": _claims(SHAPE, jti=None),
    "jti empty": _claims("jti", jti=""),
    "jti too long": _claims("jti", jti="x" * 257),
    "jti a number": _claims(SHAPE, jti=7),
    "token too long": _claims(NONE, padding="x" * 9000),
    "two headers": Attack("more than one Authorization header", lambda: [f"Bearer {signed()}", f"Bearer {signed()}"]),
    "a good header after a bad one": Attack(
        "more than one Authorization header", lambda: ["Bearer x", f"Bearer {signed()}"]
    ),
    "two tokens in one header": Attack(NONE, lambda: [f"Bearer {signed()}, Bearer {signed()}"]),
    "whitespace inside": Attack(NONE, lambda: [f"Bearer {signed().replace('.', ' .', 1)}"]),
    "tab for a space": Attack(NONE, lambda: [f"Bearer\t{signed()}"]),
    "padding": Attack(NONE, lambda: [f"Bearer {signed()}=="]),
    "another scheme": Attack(NONE, lambda: [f"Basic {signed()}"]),
    "no scheme": Attack(NONE, lambda: [signed()]),
    "empty": Attack(NONE, lambda: ["Bearer "]),
    "garbage": Attack(NONE, lambda: ["Bearer abc"]),
    "five parts": Attack(NONE, lambda: ["Bearer a.b.c.d.e"]),
    "not ASCII": Attack(NONE, lambda: ["Bearer ÿ.ÿ.ÿ"]),
}


def call(client: TestClient, authorization: Sequence[str], path: str = PATH) -> Any:
    """Call a path with these Authorization headers and the good body."""
    sent = [("Content-Type", "application/json")]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in sent]
    headers += [(b"Authorization", one.encode("latin-1")) for one in authorization]
    return client.post(path, content=json.dumps(prefetch.request()), headers=headers)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_401_that_says_nothing_and_the_log_says_why(client: TestClient, name: str) -> None:
    """Each answer is byte for byte that to a call without a token; the log has the reason and no part of the token."""
    attack = ATTACKS[name]
    authorization = attack.authorization()
    silent = call(client, [], attack.path)
    with structlog.testing.capture_logs() as logs:
        answer = call(client, authorization, attack.path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.content == silent.content
    (told,) = (line for line in logs if line["event"] == "hook caller refused")
    assert told["reason"] == attack.reason
    parts = [one for header in authorization for one in header.replace(",", " ").replace(".", " ").split()]
    assert [one for one in parts if len(one) > 20 and one in str(logs)] == []


@pytest.mark.parametrize(
    "authorization",
    [
        lambda: [f"Bearer {signed()}"],
        lambda: [f"bearer  {signed(RSA, 'RS384')}"],
        lambda: [f"BeaReR {signed()}"],
        lambda: [f"Bearer {signed(aud=[f'{PUBLIC}{PATH}', 'https://else.example'])}"],
        lambda: [f"Bearer {signed(nbf=AT, sub=NORTH, tenant='x')}"],
        lambda: [f"Bearer {signed(header={'jku': 'https://elsewhere.example/jwks'})}"],
    ],
)
def test_a_good_token_is_taken(client: TestClient, authorization: Callable[[], Sequence[str]]) -> None:
    """ES384 and RS384, one audience of ours among several, claims of one vendor, and a jku beside pinned keys, pass.

    The name of the scheme has no case.
    """
    assert call(client, authorization()).status_code == 200


@pytest.mark.parametrize("path", [PATH, SIGN, FEEDBACK])
def test_a_stranger_is_refused_before_what_he_sends_is_read(client: TestClient, path: str) -> None:
    """Without a token even a body that is no JSON is 401: nobody learns anything of the service by what it parses."""
    answer = client.post(path, content=b"\xff not json", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 401


def test_a_token_is_spent_for_every_worker(client: TestClient, folder: Path) -> None:
    """What one worker took, another on the same store refuses, and so does the first."""
    token = [f"Bearer {signed()}"]
    assert call(client, token).status_code == 200
    with running(house(folder)) as other:
        assert call(other, token).status_code == 401
    assert call(client, token).status_code == 401


def test_a_refused_token_spends_nothing(client: TestClient) -> None:
    """The id of a forged token is not remembered: nobody can spend another's token by guessing its id."""
    forged, good = signed(STRANGER, jti="guessed"), signed(jti="guessed")
    assert call(client, [f"Bearer {forged}"]).status_code == 401
    assert call(client, [f"Bearer {good}"]).status_code == 200


@pytest.mark.parametrize("configured", [True, False])
def test_an_order_hook_takes_tokens_where_its_address_is_configured(tmp_path: Path, configured: bool) -> None:
    """A token for order-sign is taken once its address stands among the tenant's audiences, and not before."""
    found = house(tmp_path)
    north = found.ehr[0]
    more = (f"{PUBLIC}{SIGN}",) if configured else ()
    client = north.cds_client.model_copy(update={"audiences": (*north.cds_client.audiences, *more)})
    changed = found.model_copy(update={"ehr": (north.model_copy(update={"cds_client": client}),)})
    body: dict[str, Any] = prefetch.request(hook="order-sign")
    body["context"] = {**body["context"], "draftOrders": prefetch.bundle()}
    with running(changed) as app:
        token = signed(aud=f"{PUBLIC}{SIGN}")
        answer = app.post(SIGN, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == (200 if configured else 401)


def test_a_jku_that_is_not_the_configured_one_is_refused(tmp_path: Path) -> None:
    """Where keys come from a URL, a token that names another is refused before any key is looked for."""
    found = house(tmp_path)
    update = {"jwks_file": None, "jwks_url": "https://ehr.north.example/jwks"}
    north = found.ehr[0].model_copy(update={"cds_client": found.ehr[0].cds_client.model_copy(update=update)})
    with running(found.model_copy(update={"ehr": (north,)})) as app, structlog.testing.capture_logs() as logs:
        answer = call(app, [f"Bearer {signed(header={'jku': 'https://evil.example/jwks'})}"])
    assert answer.status_code == 401
    assert [one["reason"] for one in logs if "reason" in one] == ["jku is not ehr.cds_client.jwks_url"]
