"""The JWT of a request as facts that may be kept: its header and claims, and whether the signature holds."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

Signature = Literal["good", "bad", "unknown-key", "no-keys", "unsigned"]
ASYMMETRIC = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_HEADER = ("alg", "kid", "typ", "jku")
_CLAIMS = ("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "tenant")


def facts(authorization: Sequence[str]) -> dict[str, Any]:
    """Return the facts of a request's Authorization headers.

    ``problem`` says why there is no token to read; ``header`` and ``claims`` hold what the standard names, of the rest
    the names alone.
    """
    if not authorization:
        return {"problem": "no Authorization header"}
    if len(authorization) > 1:
        return {"problem": f"{len(authorization)} Authorization headers"}
    scheme, _, compact = authorization[0].partition(" ")
    if scheme.lower() != "bearer":
        return {"problem": "the Authorization header is not Bearer"}
    parts = compact.strip().split(".")
    header, claims = (_object(part) for part in (*parts, "", "")[:2])
    if len(parts) != 3 or header is None or claims is None:
        return {"problem": "the Bearer token is no JWT"}
    more = sorted({*header, *claims} - {*_HEADER, *_CLAIMS})
    kept = {
        "header": {name: header[name] for name in _HEADER if name in header},
        "claims": {name: claims[name] for name in _CLAIMS if name in claims},
    }
    return {**kept, **({"more": more} if more else {})}


def signature(authorization: str, keys: Sequence[Mapping[str, Any]]) -> Signature:
    """Return whether the token's signature is by one of the keys (JWKs), its ``kid`` naming which."""
    compact = authorization.partition(" ")[2].strip()
    header = _object(compact.split(".")[0]) or {}
    if header.get("alg") not in ASYMMETRIC:
        return "unsigned"
    if not keys:
        return "no-keys"
    held = [dict(one) for one in keys if "kid" not in header or one.get("kid") == header["kid"]]
    if not held:
        return "unknown-key"
    registry = jws.JWSRegistry(algorithms=list(ASYMMETRIC), strict_check_header=False)
    try:
        jws.deserialize_compact(compact, KeySet.import_key_set({"keys": held}), registry=registry)  # pyright: ignore[reportArgumentType]
    except (JoseError, ValueError):
        return "bad"
    return "good"


def jwk_set(raw: bytes) -> list[dict[str, Any]]:
    """Return the keys of a JWK Set, none where it is none."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, Any]).get("keys")
    except msgspec.MsgspecError:
        return []
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", one) for one in listed if isinstance(one, dict)]


def _object(part: str) -> dict[str, Any] | None:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
