"""The service's signing key."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from service.drafts.signature import signing
from service.drafts.signature.signing import Signer, verify_detached
from service.errors import ConfigError, ServiceError, Unprocessable

PAYLOAD = b'{"dose":0.50}'
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """A signer with a key of its own."""
    return signing.load_or_create(tmp_path / "key.json")


def test_a_signature_over_the_bytes_verifies(signer: Signer):
    """A detached JWS verifies over exactly the signed bytes with the published keys."""
    verify_detached(signer.sign_detached(PAYLOAD), PAYLOAD, signer.public_jwks())


@pytest.mark.parametrize("payload", [b'{"dose":0.5}', b'{"dose":0.50} ', b"", b"{}"])
def test_any_other_bytes_do_not_verify(signer: Signer, payload: bytes):
    """0.5 is not 0.50: other bytes of the same meaning do not pass."""
    with pytest.raises(Unprocessable) as caught:
        verify_detached(signer.sign_detached(PAYLOAD), payload, signer.public_jwks())
    assert caught.value.code == "U-SIG-VALUE"


def test_a_long_payload_is_signed_and_verified(signer: Signer):
    """An order beyond the library's own limit of 128,000 bytes can be signed."""
    long = b'"' + b"x" * 500_000 + b'"'
    verify_detached(signer.sign_detached(long), long, signer.public_jwks())


def test_the_payload_is_never_inside(signer: Signer):
    """Even a payload of URL-safe characters is left out of the JWS."""
    header, payload, value = signer.sign_detached(b"abc").split(".")
    assert payload == ""
    decoded = json.loads(base64.urlsafe_b64decode(header + "=="))
    assert decoded == {"alg": "ES384", "b64": False, "crit": ["b64"], "kid": signer.kid}
    assert len(value) == 128


def _attached(signer: Signer, key: ECKey) -> str:
    header = {"alg": "ES384", "b64": False, "crit": ["b64"], "kid": signer.kid}
    return jws.serialize_compact(header, b"abc", key, algorithms=["ES384"])


def _not_b64(signer: Signer, key: ECKey) -> str:
    whole = jws.serialize_compact({"alg": "ES384", "kid": signer.kid}, PAYLOAD, key, algorithms=["ES384"])
    return jws.detach_content(whole)


@pytest.mark.parametrize(
    "make",
    [
        _attached,
        _not_b64,
        lambda signer, key: "",
        lambda signer, key: "a.b",
        lambda signer, key: "..",
        lambda signer, key: "e30..e30",
        lambda signer, key: signer.sign_detached(PAYLOAD) + ".x",
    ],
)
def test_another_form_of_jws_is_refused(tmp_path: Path, make: Callable[[Signer, ECKey], str]):
    """A JWS with its payload inside, without b64:false or with broken parts is a fault of format."""
    signer = signing.load_or_create(tmp_path / "key.json")
    key = ECKey.import_key(json.loads((tmp_path / "key.json").read_bytes()))
    with pytest.raises(Unprocessable) as caught:
        verify_detached(make(signer, key), PAYLOAD, signer.public_jwks())
    assert caught.value.code == "U-SIG-FORMAT"


def test_a_key_that_is_not_published_is_named(signer: Signer, tmp_path: Path):
    """A signature by a key outside the set is U-SIG-KEY, not a wrong value."""
    other = signing.load_or_create(tmp_path / "other.json")
    with pytest.raises(Unprocessable, match="U-SIG-KEY"):
        verify_detached(other.sign_detached(PAYLOAD), PAYLOAD, signer.public_jwks())


def test_the_public_set_has_no_private_member(signer: Signer):
    """What is published is kty, crv, x, y, kid, alg and use; the kid is the RFC 7638 thumbprint."""
    (key,) = signer.public_jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert key["kid"] == ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).thumbprint()


def test_the_key_is_made_once(tmp_path: Path):
    """A second start reads the key that the first one made, and no other file is left."""
    first = signing.load_or_create(tmp_path / "key.json")
    assert signing.load_or_create(tmp_path / "key.json").kid == first.kid
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_two_workers_that_start_together_agree(tmp_path: Path):
    """A key made in between is kept: the slower worker takes it."""
    first = signing.load_or_create(tmp_path / "key.json")
    signing._create(tmp_path / "key.json")
    assert Signer.load(tmp_path / "key.json").kid == first.kid


@posix
def test_the_key_file_is_private(tmp_path: Path):
    """The file is made with mode 0600."""
    signing.load_or_create(tmp_path / "key.json")
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int):
    """A key file open to group or world stops the start."""
    signing.load_or_create(tmp_path / "key.json")
    (tmp_path / "key.json").chmod(mode)
    with pytest.raises(ConfigError) as caught:
        Signer.load(tmp_path / "key.json")
    assert caught.value.code == "U-KEY-MODE"


def _public_only(path: Path) -> bytes:
    return json.dumps(ECKey.generate_key("P-384").as_dict(private=False)).encode()


def _other_curve(path: Path) -> bytes:
    return json.dumps(ECKey.generate_key("P-256").as_dict(private=True)).encode()


@pytest.mark.parametrize("content", [lambda _: b"", lambda _: b"{}", lambda _: b"[]", _public_only, _other_curve])
def test_a_file_that_is_no_private_key_is_refused(tmp_path: Path, content: Callable[[Path], bytes]):
    """Anything but a private P-384 JWK is U-KEY-FILE and is not written over."""
    path = tmp_path / "key.json"
    path.write_bytes(content(path))
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        signing.load_or_create(path)
    assert caught.value.code == "U-KEY-FILE"
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [Signer.load, signing.load_or_create])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, make: Callable[[Path], Signer]):
    """A path that cannot be is a setting to correct, not a stack trace."""
    with pytest.raises(ConfigError, match="U-KEY-FILE"):
        make(tmp_path / "nowhere" / "key.json")


def test_a_client_assertion_verifies_with_the_published_keys(signer: Signer):
    """A JWT for SMART backend services carries kid and typ and verifies."""
    text = signer.sign_jwt({"iss": "undersign", "jti": "1"})
    token = jwt.decode(text, ECKey.import_key(signer.public_jwks()["keys"][0]), algorithms=["ES384"])
    assert token.header == {"typ": "JWT", "alg": "ES384", "kid": signer.kid}
    assert token.claims == {"iss": "undersign", "jti": "1"}


def test_another_algorithm_is_refused(signer: Signer):
    """The key signs ES384 only."""
    with pytest.raises(ServiceError, match="U-KEY-ALG"):
        signer.sign_jwt({}, alg="RS384")


@pytest.mark.parametrize(
    ("since", "at", "holds"), [(None, None, True), (10, 9, True), (10, 10, False), (10, None, False)]
)
def test_a_revoked_key_proves_nothing_from_then_on(
    signer: Signer, since: int | None, at: int | None, holds: bool
) -> None:
    """A signature made when its key was revoked, or at a time that is not known, is refused by name."""
    (key,) = signer.public_jwks()["keys"]
    jwks = {"keys": [{**key, "revoked": {"revoked_at": since}} if since is not None else key]}
    when = None if at is None else datetime.fromtimestamp(at, UTC)
    if holds:
        verify_detached(signer.sign_detached(PAYLOAD), PAYLOAD, jwks, when)
        return
    with pytest.raises(Unprocessable) as refused:
        verify_detached(signer.sign_detached(PAYLOAD), PAYLOAD, jwks, when)
    assert refused.value.code == "U-SIG-REVOKED"
