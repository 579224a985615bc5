"""Proofs that stand on published keys and bytes alone: digests, and detached signatures in a Provenance."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ("ES384", "RS384")


def digest(raw: bytes) -> str:
    """Return ``sha256-`` and the SHA-256 in base64url without padding."""
    return "sha256-" + base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


def signed_by(provenance: Mapping[str, Any], payload: bytes, jwks: Any) -> str | None:
    """Return the id of the published key whose JWS over ``payload`` the Provenance carries, else None.

    The signature is read as RFC 7797 has it (``b64`` false): the bytes are not inside it.
    """
    try:
        keys = KeySet.import_key_set(jwks)
        for signature in provenance.get("signature", []):
            compact = base64.b64decode(signature["data"], validate=True)
            registry = jws.JWSRegistry(algorithms=list(ALGORITHMS))
            found = jws.deserialize_compact(compact, keys, registry=registry, payload=payload)
            return str(found.headers()["kid"])
    except (JoseError, ValueError, KeyError):
        return None
    return None
