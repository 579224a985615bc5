"""The EHR's signing key (ES384, made at start, never written down) and the checks of signed tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from conformance.reference_ehr.refusals import Json

ALGORITHM = "ES384"


class Keys:
    """One key pair; ``kid`` is the key's thumbprint (RFC 7638)."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-384", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        self.kid = str(self._key.kid)
        self.public = KeySet([self._key])

    def jwks(self) -> Json:
        """Return the public JWK Set."""
        return {"keys": [self._key.as_dict(private=False)]}

    def sign(self, claims: Mapping[str, Any], head: Mapping[str, Any] | None = None) -> str:
        """Return a compact JWT over the claims; ``head`` replaces its header but for the algorithm."""
        header = {**({"kid": self.kid, "typ": "JWT"} if head is None else head), "alg": ALGORITHM}
        return jwt.encode(header, dict(claims), self._key, algorithms=[ALGORITHM])


def verified_claims(
    token: str,
    keys: KeySet,
    now: datetime,
    expected: Mapping[str, str],
    *,
    algorithms: Sequence[str] = (ALGORITHM,),
) -> Json | None:
    """Return the claims of a token whose signature, expiry and expected claims hold, else None.

    ``aud`` may be a list that holds the expected audience. ``exp`` and every expected claim have to be there.
    """
    rules = {name: {"essential": True, "value": value} for name, value in expected.items()}
    registry = jwt.JWTClaimsRegistry(now=int(now.timestamp()), **rules, exp={"essential": True})  # pyright: ignore[reportArgumentType]
    try:
        claims = jwt.decode(token, keys, algorithms=list(algorithms)).claims
        registry.validate(claims)
    except (JoseError, ValueError):
        return None
    return dict(claims)
