"""Who calls the hooks: the EHR's JWT, checked as CDS Hooks 2.0.1 "Trusting CDS Clients" asks.

A refusal tells the caller nothing of why; the log says why, without the token.
"""

import base64
import re
from collections.abc import Sequence
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
# RFC 9110 §11.4 "credentials", whose scheme has no case (§11.1), with the three parts of a compact JWS (RFC 7515 §7.1).
_CREDENTIALS = re.compile(r"(?i:bearer) +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII)
# The end of an address that names a service, or its feedback.
_OF_SERVICE = re.compile(r"/cds-services/(?P<id>[^/]+)(?P<feedback>/feedback)?/?$")


class _Header(msgspec.Struct):
    alg: str
    kid: str
    jku: str | None = None


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


async def authenticate(
    authorization: Sequence[str], services: "Services", service_id: str, *, feedback: bool = False
) -> Ehr | None:
    """Return the tenant whose key signed the call's token; None when the call carries none that counts.

    ``authorization`` holds the call's Authorization headers; ``service_id`` and ``feedback`` say what is called, which
    is what the token must be made out to. A token of an unknown issuer counts as none where a tenant without
    authentication exists (development only). Raises Unauthenticated U-AUTH, Unavailable U-CDS-KEYS.
    """
    if not authorization:
        return _nobody("no token", services)
    if len(authorization) > 1:
        _refuse("more than one Authorization header")
    token = _read(authorization[0])
    ehr = _issuer(token.claims.iss, services)
    if ehr is None:
        return None
    _check_audience(token.claims, ehr, service_id, feedback=feedback)
    _check_claims(token.claims, ehr, services.clock())
    await _check_signature(token, ehr, services)
    # By the store's time, which alone decides when a row may go: a clock that is ahead must not forget a live token.
    left = datetime.fromtimestamp(token.claims.exp + LEEWAY_S, UTC) - services.clock()
    expires = await services.store.now() + left
    if await services.store.seen(token.claims.iss, token.claims.jti, expires):
        _refuse("token seen before", ehr)
    return ehr


def audiences(configured: Sequence[str], service_id: str, *, feedback: bool) -> frozenset[str]:
    """Return the ``aud`` values that are taken at one address of a service.

    A configured audience that ends in ``/cds-services/{id}`` is that service's address: it counts there, and with
    ``/feedback`` added where feedback is sent (CDS Hooks 2.0.1 "Trusting CDS Clients": ``aud`` is the address that is
    called). One that names no service was chosen by a hospital that has one ``aud`` for all, and counts everywhere.
    """
    found: set[str] = set()
    for audience in configured:
        named = _OF_SERVICE.search(audience)
        if named is None:
            found |= {audience, f"{audience}/feedback"} if feedback else {audience}
        elif named["id"] == service_id and not named["feedback"]:
            found.add(f"{audience.rstrip('/')}/feedback" if feedback else audience)
        elif named["id"] == service_id and feedback:
            found.add(audience)
    return frozenset(found)


def _read(authorization: str) -> _Token:
    found = _CREDENTIALS.fullmatch(authorization) if len(authorization) <= _MAX_TOKEN else None
    if found is None:
        _refuse("no bearer token, or one too long")
    raw = found[1].encode()
    try:
        parts = jws.extract_compact(raw)
        for part in (base64.urlsafe_b64decode(raw.partition(b".")[0] + b"=="), parts.payload):
            strict_json.check(part, max_bytes=_MAX_TOKEN, max_depth=8)
        header = msgspec.convert(parts.headers(), _Header)
        return _Token(raw, header, msgspec.json.decode(parts.payload, type=_Claims))
    except (JoseError, InputError, ValueError):
        _refuse("not a token of the expected shape")


def _issuer(issuer: str, services: "Services") -> Ehr | None:
    for ehr in services.settings.ehr:
        if ehr.cds_client.issuer == issuer and services.keys.get(ehr.id) is not None:
            return ehr
    return _nobody("issuer is no tenant's", services)


def _nobody(reason: str, services: "Services") -> None:
    """Refuse a stranger before anything that was sent is read, unless a tenant of development needs no token."""
    settings = services.settings
    if not (settings.server.development and any(not ehr.cds_client.required for ehr in settings.ehr)):
        _refuse(reason)


def _check_audience(claims: _Claims, ehr: Ehr, service_id: str, *, feedback: bool) -> None:
    given = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
    accepted = audiences(ehr.cds_client.audiences, service_id, feedback=feedback)
    if accepted.isdisjoint(given):
        _refuse("audience", ehr, expected=sorted(accepted))


def _check_claims(claims: _Claims, ehr: Ehr, at: datetime) -> None:
    now = at.timestamp()
    if claims.exp <= now - LEEWAY_S or claims.iat > now + LEEWAY_S or (claims.nbf or 0) > now + LEEWAY_S:
        _refuse("outside its time", ehr)
    if not 0 < claims.exp - claims.iat <= MAX_LIFE_S:
        _refuse("lives longer than an hour", ehr)
    if not 0 < len(claims.jti) <= 256:
        _refuse("jti", ehr)


async def _check_signature(token: _Token, ehr: Ehr, services: "Services") -> None:
    if token.header.alg not in ehr.cds_client.algorithms:
        _refuse("algorithm", ehr, alg=token.header.alg[:16])
    known = ehr.cds_client.jwks_url
    if token.header.jku is not None and known is not None and token.header.jku != known:
        _refuse("jku is not ehr.cds_client.jwks_url", ehr)
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
