"""Who calls the hooks: the EHR's JWT, checked as CDS Hooks 2.0.1 "Trusting CDS Clients" asks.

A refusal tells the caller nothing of why; the log says why, without the token.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json
from service import telemetry
from service.errors import Unauthenticated
from service.settings import Ehr

if TYPE_CHECKING:
    from service.bootstrap import Services

LEEWAY_S = 60
MAX_LIFE_S = 3600
_MAX_TOKEN = 8192


class _Header(msgspec.Struct):
    alg: str
    kid: str


class _Claims(msgspec.Struct):
    iss: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    jti: str
    nbf: int | float | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    compact: bytes
    header: _Header
    claims: _Claims


async def authenticate(authorization: str | None, services: "Services", suffix: str = "") -> Ehr | None:
    """Return the tenant whose key signed the call's token; None when the call carries none that counts.

    ``suffix`` is added to each configured audience: feedback tokens are made out to ``…/feedback``. A token
    of an unknown issuer counts as none where a tenant without authentication exists (development only).
    Raises Unauthenticated U-AUTH, Unavailable U-CDS-KEYS.
    """
    if authorization is None:
        return None
    token = _read(authorization)
    ehr = _issuer(token.claims.iss, services)
    if ehr is None:
        return None
    _check_claims(token.claims, ehr, suffix, services.clock())
    await _check_signature(token, ehr, services)
    # By the store's time, which alone decides when a row may go: a clock that is ahead must not forget a live token.
    left = datetime.fromtimestamp(token.claims.exp + LEEWAY_S, UTC) - services.clock()
    expires = await services.store.now() + left
    if await services.store.seen(token.claims.iss, token.claims.jti, expires):
        _refuse("token seen before", ehr)
    return ehr


def _read(authorization: str) -> _Token:
    scheme, _, compact = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(compact) > _MAX_TOKEN:
        _refuse("no bearer token, or one too long")
    raw = compact.strip().encode()
    try:
        parts = jws.extract_compact(raw)
        strict_json.check(parts.payload, max_bytes=_MAX_TOKEN, max_depth=8)
        header = msgspec.convert(parts.headers(), _Header)
        return _Token(raw, header, msgspec.json.decode(parts.payload, type=_Claims))
    except (JoseError, InputError, ValueError):
        _refuse("not a token of the expected shape")


def _issuer(issuer: str, services: "Services") -> Ehr | None:
    for ehr in services.settings.ehr:
        if ehr.cds_client.issuer == issuer and services.keys.get(ehr.id) is not None:
            return ehr
    if not any(not ehr.cds_client.required for ehr in services.settings.ehr):
        _refuse("issuer is no tenant's")
    return None


def _check_claims(claims: _Claims, ehr: Ehr, suffix: str, at: datetime) -> None:
    now, client = at.timestamp(), ehr.cds_client
    given = (claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud)
    accepted = {*client.audiences, *(audience + suffix for audience in client.audiences)}
    if len(accepted.intersection(given)) != 1:
        _refuse("audience", ehr, expected=sorted(accepted))
    if claims.exp <= now - LEEWAY_S or claims.iat > now + LEEWAY_S or (claims.nbf or 0) > now + LEEWAY_S:
        _refuse("outside its time", ehr)
    if not 0 < claims.exp - claims.iat <= MAX_LIFE_S:
        _refuse("lives longer than an hour", ehr)
    if not 0 < len(claims.jti) <= 256:
        _refuse("jti", ehr)


async def _check_signature(token: _Token, ehr: Ehr, services: "Services") -> None:
    if token.header.alg not in ehr.cds_client.algorithms:
        _refuse("algorithm", ehr, alg=token.header.alg[:16])
    key = await services.keys[ehr.id].find(token.header.kid)
    if key is None:
        _refuse("unknown kid", ehr)
    registry = jws.JWSRegistry(algorithms=[token.header.alg], strict_check_header=False)
    registry.max_header_length = _MAX_TOKEN
    try:
        jws.deserialize_compact(token.compact, key, registry=registry)
    except (JoseError, ValueError):
        _refuse("signature", ehr)


def _refuse(reason: str, ehr: Ehr | None = None, **facts: object) -> NoReturn:
    telemetry.log().warning("hook caller refused", reason=reason, ehr=ehr.id if ehr else "unknown", **facts)
    raise Unauthenticated("U-AUTH", "authentication is required") from None
