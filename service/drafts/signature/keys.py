"""The public keys that verify what was signed here: the one in use, those before it, and which are revoked since when.

A JWK set for verification only: it is not what is published, since an EHR takes client assertions by every key that
stands there. A revoked key has the member ``revoked`` with ``revoked_at`` in seconds since 1970, as the historical keys
of OpenID Federation have it (https://openid.net/specs/openid-federation-1_0.html, Federation Historical Keys).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from service.drafts.signature.signing import Signer
from service.errors import ConfigError
from service.settings import Sign


class _Key(msgspec.Struct, frozen=True):
    kty: str
    crv: str
    x: str
    y: str
    kid: str


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[_Key]


def known(settings: Sign, signer: Signer) -> dict[str, Any]:
    """Return the JWK set of all keys, the one in use first; ConfigError U-KEY-FILE for past keys that cannot be read.

    Paths of ``settings`` are those of a loaded configuration.
    """
    revoked = {one.kid: int(one.since.timestamp()) for one in settings.revoked_keys}
    keys = [*signer.public_jwks()["keys"], *_past(settings.past_keys_file, signer.kid)]
    marked = [{**key, "revoked": {"revoked_at": revoked[key["kid"]]}} if key["kid"] in revoked else key for key in keys]
    return {"keys": marked}


def check(settings: Sign, signer: Signer) -> None:
    """Refuse to sign with a key that is listed as revoked (U-KEY-REVOKED), and past keys that cannot be read."""
    if signer.kid in {one.kid for one in settings.revoked_keys}:
        msg = (
            "sign.key_file holds a key of sign.revoked_keys; move it away (a new one is made) and keep its public part"
        )
        raise ConfigError("U-KEY-REVOKED", msg)
    known(settings, signer)


def _past(path: Path | None, present: str) -> list[Mapping[str, Any]]:
    if path is None:
        return []
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_KeySet)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = "sign.past_keys_file is no JWK set of public P-384 keys with kid; correct it"
        raise ConfigError("U-KEY-FILE", msg) from error
    return [{**msgspec.to_builtins(key), "alg": "ES384", "use": "sig"} for key in found.keys if key.kid != present]
