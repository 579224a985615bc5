"""Who is asking: the practitioner behind an EHR's user token or a browser session.

Only people come through here: a token whose ``fhirUser`` is not a Practitioner of its own EHR is refused,
and so is a system token, which has none.
"""

import base64
import binascii
import hmac
import importlib
import importlib.util
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

import msgspec
from fastapi import Request
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from service import telemetry
from service.ehr.client import EhrClient
from service.errors import BadRequest, Forbidden, Unauthenticated

if TYPE_CHECKING:
    from service.bootstrap import Services

SESSION_COOKIE = "undersign_session"
CSRF_HEADER = "x-csrf-token"
# Asymmetric only: with a shared secret, whoever can check a token could also make one.
USER_ALGORITHMS = ("ES384", "RS384", "ES256", "RS256")
LEEWAY_S = 30
TOKEN_CAP = 16_384
_SESSIONS = "service.smart.sessions"


@dataclass(frozen=True, slots=True)
class Practitioner:
    """An authenticated user of one EHR, with the Practitioner that the EHR says the user is.

    ``reference`` is ``Practitioner/<id>`` at the EHR ``ehr``; ``role`` the PractitionerRole reference that
    lets this person prescribe, known only after the live check; ``method`` is ``smart-bearer`` or
    ``smart-session``; ``authenticated`` when the user logged in (UTC), ``subject`` the token's ``sub``.
    """

    reference: str
    display: str | None
    ehr: str
    role: str | None
    subject: str
    method: str
    authenticated: datetime


class _Sessions(Protocol):
    """What the module of browser sessions offers; each raises Unauthenticated for a session that is over."""

    async def practitioner(self, request: Request, services: "Services") -> Practitioner: ...

    async def access_token(self, request: Request, services: "Services") -> str: ...

    async def csrf_token(self, request: Request, services: "Services") -> str: ...


class _Unverified(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]


async def authenticate(request: Request, services: "Services") -> Practitioner:
    """Return who is asking. Unauthenticated U-AUTH; Forbidden U-SIGNER-NOT-PRACTITIONER, U-CSRF, U-ORIGIN.

    EhrFailed when the EHR's keys are needed and cannot be had.
    """
    token = _bearer(request)
    if token is not None:
        return await _of_token(token, services)
    sessions = _sessions(request)
    if sessions is None:
        raise _refused("no-credentials")
    practitioner = await sessions.practitioner(request, services)
    if request.method not in ("GET", "HEAD"):
        _check_origin(request, services)
        _check_csrf(request, await sessions.csrf_token(request, services))
    return practitioner


async def access_token(request: Request, services: "Services") -> str:
    """Return the user's own EHR token, of the header or of the session; Unauthenticated U-AUTH."""
    token = _bearer(request)
    if token is not None:
        return token
    sessions = _sessions(request)
    if sessions is None:
        raise _refused("no-credentials")
    return await sessions.access_token(request, services)


def _bearer(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("not-bearer")
    return token.strip()


def _sessions(request: Request) -> _Sessions | None:
    if SESSION_COOKIE not in request.cookies or importlib.util.find_spec(_SESSIONS) is None:
        return None
    return cast(_Sessions, importlib.import_module(_SESSIONS))


def _check_origin(request: Request, services: "Services") -> None:
    own = urlsplit(services.settings.server.public_url)
    if request.headers.get("origin") != f"{own.scheme}://{own.netloc}":
        raise Forbidden("U-ORIGIN", "Send the request from the service's own page.")


def _check_csrf(request: Request, expected: str) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("U-CSRF", "Reload the page and try again: its anti-forgery token is not the session's.")


async def _of_token(token: str, services: "Services") -> Practitioner:
    client = await _tenant(_unverified(token), services)
    claims = await _verified(token, client)
    reference = _practitioner_reference(claims.get("fhirUser"), client)
    subject, name = claims.get("sub"), claims.get("name")
    return Practitioner(
        reference=reference,
        display=name if isinstance(name, str) else None,
        ehr=client.ehr.id,
        role=None,
        subject=subject if isinstance(subject, str) else reference,
        method="smart-bearer",
        authenticated=datetime.fromtimestamp(_login_time(claims), UTC),
    )


def _unverified(token: str) -> _Unverified:
    """Read issuer and audience to choose the tenant; nothing else is taken before the signature is checked."""
    parts = token.split(".")
    if len(token) > TOKEN_CAP or len(parts) != 3:
        raise _refused("not-a-jwt")
    try:
        payload = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(payload, type=_Unverified)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise _refused("claims-unreadable") from error


async def _tenant(claimed: _Unverified, services: "Services") -> EhrClient:
    audiences = [claimed.aud] if isinstance(claimed.aud, str) else claimed.aud
    fitting = [client for client in services.clients.values() if _audience(client) in audiences]
    found = [client for client in fitting if await _issuer_is(client, claimed.iss)]
    if len(found) != 1:
        raise _refused("no-tenant" if not found else "more-than-one-tenant")
    return found[0]


def _audience(client: EhrClient) -> str:
    return client.ehr.users.audience or client.ehr.fhir_base


async def _issuer_is(client: EhrClient, issuer: str) -> bool:
    return issuer == await _issuer(client)


async def _issuer(client: EhrClient) -> str:
    if client.ehr.users.issuer is not None:
        return client.ehr.users.issuer
    return (await client.smart_configuration()).issuer or client.ehr.fhir_base


async def _verified(token: str, client: EhrClient) -> dict[str, Any]:
    try:
        claims = await _decoded(token, client)
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": await _issuer(client)},
            aud={"essential": True, "value": _audience(client)},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
    except JoseError as error:
        raise _refused(error.error, client.ehr.id) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # The header is the sender's: joserfc lets some malformed ones through to Python's own errors.
        raise _refused("malformed", client.ehr.id) from error
    return claims


async def _decoded(token: str, client: EhrClient) -> dict[str, Any]:
    try:
        return jwt.decode(token, await client.user_keys(), algorithms=USER_ALGORITHMS).claims
    except InvalidKeyIdError:
        fresh = await client.user_keys(refresh=True)
        return jwt.decode(token, fresh, algorithms=USER_ALGORITHMS).claims


def _practitioner_reference(user: object, client: EhrClient) -> str:
    try:
        reference = client.relative(user) if isinstance(user, str) else ""
    except BadRequest:
        reference = ""
    if not re.fullmatch(r"Practitioner/.+", reference):
        telemetry.log().warning("user refused", ehr=client.ehr.id, code="U-SIGNER-NOT-PRACTITIONER")
        raise Forbidden(
            "U-SIGNER-NOT-PRACTITIONER",
            "Only a Practitioner of this EHR may do this; devices, patients and systems may not.",
        )
    return reference


def _login_time(claims: dict[str, Any]) -> float:
    login = claims.get("auth_time")
    return float(login if isinstance(login, int) and 0 < login <= claims["iat"] else claims["iat"])


def _refused(reason: str, ehr: str | None = None) -> Unauthenticated:
    telemetry.log().warning("authentication refused", code="U-AUTH", reason=reason, ehr=ehr)
    return Unauthenticated("U-AUTH", "Sign in at the EHR and try again.")


