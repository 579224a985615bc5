"""The service's signing key: detached JWS over stored bytes (RFC 7797) and client assertions (SMART backend).

This is a service key over the assertion that a practitioner, authenticated at a time by a method, approved
the bytes: an electronic signature record, not that person's own key. ES384 only; the key's id is its RFC 7638
thumbprint. The payload is never inside the JWS, so what is verified is always the bytes that were stored.
"""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey

from service.errors import ConfigError, Unprocessable

ALGORITHM: Final = "ES384"
_CURVE: Final = "P-384"
_HEADER: Final[Mapping[str, Any]] = {"alg": ALGORITHM, "b64": False, "crit": ["b64"]}
_PUBLIC_MEMBERS: Final = ("kty", "crv", "x", "y")
# An order with its references is a few kilobytes; the library's own limit is 128,000 bytes.
_MAX_PAYLOAD: Final = 2_000_000


class Signer:
    """Holds the private key; everything it gives out is public or a signature."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self.kid: str = key.thumbprint()

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Return the signer of an existing key file.

        ConfigError: U-KEY-FILE (absent, unreadable or no private P-384 JWK), U-KEY-MODE (others may read it).
        """
        try:
            with path.open("rb") as file:
                _refuse_open_to_others(os.fstat(file.fileno()).st_mode)
                return cls(_private_key(file.read()))
        except OSError as error:
            raise ConfigError("U-KEY-FILE", "the signing key cannot be read; check sign.key_file") from error

    @classmethod
    def load_or_create(cls, path: Path) -> "Signer":
        """Return the signer of the key file, which is made, whole and mode 0600, when there is none."""
        if not path.exists():
            _create(path)
        return cls.load(path)

    def public_jwks(self) -> dict[str, Any]:
        """Return the JWKS to publish: the public key with ``kid``, ``alg`` and ``use``."""
        known = cast(Mapping[str, Any], self._key.as_dict(private=False))
        public = {name: known[name] for name in _PUBLIC_MEMBERS}
        return {"keys": [{**public, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}]}

    def sign_detached(self, payload: bytes) -> str:
        """Return the compact JWS over ``payload`` (UTF-8 bytes) without it: ``header..signature``."""
        header = {**_HEADER, "kid": self.kid}
        whole = jws.serialize_compact(header, payload, self._key, registry=_registry())
        # The library leaves a payload of only URL-safe characters inside; ours is never part of the JWS.
        return f"{whole.partition('.')[0]}..{whole.rpartition('.')[2]}"

    def sign_jwt(self, claims: Mapping[str, Any], alg: str = ALGORITHM) -> str:
        """Return a signed JWT, for SMART backend services' client assertions; ConfigError U-KEY-ALG."""
        if alg != ALGORITHM:
            raise ConfigError("U-KEY-ALG", f"this key signs {ALGORITHM}; register the client with {ALGORITHM}")
        return jwt.encode({"alg": alg, "kid": self.kid}, dict(claims), self._key, algorithms=[ALGORITHM])


load_or_create = Signer.load_or_create


def verify_detached(signature: str, payload: bytes, jwks: Mapping[str, Any], at: datetime | None = None) -> None:
    """Return when ``signature`` is a detached JWS by a key of ``jwks`` over exactly these bytes.

    ``at`` is when it was made, as far as is known: a key that was revoked by then proves nothing. Unprocessable:
    U-SIG-FORMAT (not our form of JWS), U-SIG-KEY (its key is not in the set), U-SIG-REVOKED, U-SIG-VALUE.
    """
    found = _find(jwks, _header(signature)["kid"])
    key = ECKey.import_key({name: found[name] for name in _PUBLIC_MEMBERS})
    _check_revoked(found, at)
    try:
        jws.deserialize_compact(signature, key, registry=_registry(), payload=payload)
    except BadSignatureError as error:
        raise Unprocessable("U-SIG-VALUE", "the signature is not over these bytes") from error
    except (JoseError, ValueError) as error:
        raise Unprocessable("U-SIG-FORMAT", "the signature is not a detached JWS of ours") from error


def _registry() -> jws.JWSRegistry:
    registry = jws.JWSRegistry(algorithms=[ALGORITHM])
    registry.max_payload_length = _MAX_PAYLOAD
    return registry


def _header(signature: str) -> Mapping[str, Any]:
    parts = signature.split(".")
    try:
        # A payload inside the JWS would be verified in place of the stored bytes.
        if len(parts) == 3 and not parts[1]:
            header = jws.extract_compact(signature.encode(), b"-", _registry()).headers()
            if {**header, "kid": ""} == {**_HEADER, "kid": ""} and isinstance(header.get("kid"), str):
                return header
    except (JoseError, ValueError) as error:
        raise Unprocessable("U-SIG-FORMAT", "the signature is not a detached JWS of ours") from error
    raise Unprocessable("U-SIG-FORMAT", "the signature is not a detached JWS of ours")


def _find(jwks: Mapping[str, Any], kid: str) -> Mapping[str, Any]:
    for found in jwks.get("keys", ()):
        if found.get("kid") == kid and found.get("kty") == "EC" and found.get("crv") == _CURVE:
            return found
    raise Unprocessable("U-SIG-KEY", "the key that made this signature is not among the known keys")


def _check_revoked(found: Mapping[str, Any], at: datetime | None) -> None:
    since = found.get("revoked", {}).get("revoked_at")
    if since is not None and (at is None or at.timestamp() >= since):
        raise Unprocessable("U-SIG-REVOKED", "the key that made this signature was revoked before")


def _refuse_open_to_others(mode: int) -> None:
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError("U-KEY-MODE", "others may read the signing key; set its mode to 0600 and replace it")


def _private_key(raw: bytes) -> ECKey:
    try:
        key = ECKey.import_key(json.loads(raw))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ConfigError("U-KEY-FILE", "the signing key is not a JWK; check sign.key_file") from error
    if not key.is_private or key.curve_name != _CURVE:
        raise ConfigError("U-KEY-FILE", "the signing key is not a private P-384 key; check sign.key_file")
    return key


def _create(path: Path) -> None:
    """Write a new key beside ``path`` and link it in place: workers that start together agree on one."""
    key = ECKey.generate_key(_CURVE)
    private = {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": ALGORITHM, "use": "sig"}
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:  # mkstemp makes it 0600
                json.dump(private, file)
                file.flush()
                os.fsync(file.fileno())
            Path(path).hardlink_to(name)
        finally:
            Path(name).unlink()
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError("U-KEY-FILE", "the signing key cannot be made; check sign.key_file") from error
