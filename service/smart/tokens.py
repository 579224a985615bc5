"""A request's user, checked: the EHR's access token as Bearer, the id_token of a launch, or a session.

Only people come through here: a token whose ``fhirUser`` is not a Practitioner of its own EHR is refused,
and so is a system token, which has none.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec
from fastapi import Request
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from service import telemetry
from service.ehr.client import EhrClient
from service.errors import BadRequest, Forbidden, Unauthenticated
from service.settings import Ehr
from service.smart import sessions
from service.smart.practitioner import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services

CSRF_HEADER = "x-csrf-token"
# Asymmetric only: with a shared secret, whoever can check a token could also make one.
USER_ALGORITHMS = ("ES384", "RS384", "ES256", "RS256")
LEEWAY_S = 30
TOKEN_CAP = 16_384
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class User:
    """A practitioner with what the request brought: the EHR token, and the launch's patient if any."""

    practitioner: Practitioner
    token: str = field(repr=False)
    patient: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checked id_token says; ``fhir_user`` is ``Practitioner/<id>``, ``auth_time`` when the user logged in."""

    fhir_user: str
    subject: str
    name: str | None
    auth_time: datetime | None
    acr: str | None = None
    amr: tuple[str, ...] = ()


class _Unverified(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]


async def authenticate(request: Request, services: "Services") -> Practitioner:
    """Return who is asking; errors as ``user``."""
    return (await user(request, services)).practitioner


async def user(request: Request, services: "Services") -> User:
    """Return who is asking, with the token and patient context of the request.

    Unauthenticated U-AUTH; Forbidden U-SIGNER-NOT-PRACTITIONER, U-ORIGIN, U-CSRF; EhrFailed when the EHR's
    keys are needed and cannot be had.
    """
    header = request.headers.get("authorization")
    if header is not None:
        return await _of_token(_bearer(header), services)

    if sessions.presented(request, services.settings) is None:
        raise _refused("no-credentials")
    if request.method in ("GET", "HEAD"):
        session = await sessions.required(request, services)
    else:
        _check_origin(request, services)
        session = await sessions.acting(request, services, request.headers.get(CSRF_HEADER))
    return User(session.practitioner, session.token, session.patient)


async def check_id_token(services: "Services", ehr: Ehr, id_token: object, nonce: str) -> Identity:
    """Return who signed in by OpenID Connect Core §3.1.3.7; Unauthenticated U-AUTH, Forbidden as ``user``."""
    client = services.clients[ehr.id]
    if not isinstance(id_token, str):
        raise _refused("no-id-token", ehr.id)
    claims = await _verified(id_token, client, ehr.smart_client_id)
    if claims.get("nonce") != nonce:
        raise _refused("nonce", ehr.id)
    reference = _practitioner_reference(claims.get("fhirUser"), client)
    return Identity(
        fhir_user=reference,
        subject=_text(claims.get("sub")) or reference,
        name=_text(claims.get("name")),
        auth_time=_auth_time(claims),
        acr=_text(claims.get("acr")),
        amr=_texts(claims.get("amr")),
    )


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("not-bearer")
    return token.strip()


def _check_origin(request: Request, services: "Services") -> None:
    own = urlsplit(services.settings.server.public_url)
    if request.headers.get("origin") != f"{own.scheme}://{own.netloc}":
        raise Forbidden("U-ORIGIN", "Send the request from the service's own page.")


async def _of_token(token: str, services: "Services") -> User:
    client = await _tenant(_unverified(token), services)
    claims = await _verified(token, client, _audience(client))
    _check_app(claims, client.ehr)
    _check_person(claims, client.ehr)
    reference = _practitioner_reference(claims.get("fhirUser"), client)
    practitioner = Practitioner(
        reference=reference,
        display=_text(claims.get("name")),
        ehr=client.ehr.id,
        role=None,
        subject=_text(claims.get("sub")) or reference,
        method="smart-bearer",
        authenticated=_auth_time(claims) or _issued(claims, client.ehr),
        auth_time=_auth_time(claims),
        acr=_text(claims.get("acr")),
        amr=_texts(claims.get("amr")),
    )
    return User(practitioner, token, patient_of(claims, client.ehr.id))


def patient_of(told: Mapping[str, Any], ehr: str) -> str | None:
    """Return the patient of a launch by a token's claims or a token answer, None where it names none.

    Unauthenticated U-AUTH for a patient that is no id: what cannot be read is not a token for every patient.
    """
    given = told.get("patient")
    if given in (None, ""):
        return None
    ident = given.removeprefix("Patient/") if isinstance(given, str) else ""
    if not _ID.fullmatch(ident):
        raise _refused("patient", ehr)
    return f"Patient/{ident}"


def _check_person(claims: Mapping[str, Any], ehr: Ehr) -> None:
    """Refuse a token with a system's scopes, whomever it names: Forbidden U-SIGNER-NOT-PRACTITIONER."""
    scope = claims.get("scope")
    scopes = scope.split() if isinstance(scope, str) else _texts(scope)
    if any(one.startswith("system/") for one in scopes):
        raise _no_person(ehr.id)


def _check_app(claims: dict[str, Any], ehr: Ehr) -> None:
    """Refuse a token that the EHR gave to another app: one with the user's name is not one for this service.

    ``client_id`` as in RFC 9068 §2.2, ``azp`` as in OpenID Connect Core §2. Where the site has listed the apps, a token
    that does not say whose it is belongs to none of them.
    """
    told = [claims[name] for name in ("client_id", "azp") if claims.get(name) not in (None, "")]
    allowed = ehr.users.clients or (ehr.smart_client_id,)
    if any(one not in allowed for one in told) or (ehr.users.clients and not told):
        raise _refused("client", ehr.id)


def _unverified(token: str) -> _Unverified:
    """Read issuer and audience to choose the tenant; the signature is checked before anything is used."""
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


async def _verified(token: str, client: EhrClient, audience: str) -> dict[str, Any]:
    try:
        claims = await _decoded(token, client)
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": await _issuer(client)},
            aud={"essential": True, "value": audience},
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


def _practitioner_reference(fhir_user: object, client: EhrClient) -> str:
    try:
        reference = client.relative(fhir_user) if isinstance(fhir_user, str) else ""
    except BadRequest:
        reference = ""
    if not reference.startswith("Practitioner/"):
        raise _no_person(client.ehr.id)
    return reference


def _text(claim: object) -> str | None:
    return claim if isinstance(claim, str) and claim else None


def _texts(claim: object) -> tuple[str, ...]:
    found = cast(list[object], claim) if isinstance(claim, list) else []
    return tuple(text for text in found if isinstance(text, str))


def _auth_time(claims: dict[str, Any]) -> datetime | None:
    """Return when the user logged in, None where the token does not say or says what cannot be."""
    login = claims.get("auth_time")
    if isinstance(login, bool) or not isinstance(login, int | float) or not 0 < login <= claims["iat"]:
        return None
    return datetime.fromtimestamp(login, UTC)


def _issued(claims: Mapping[str, Any], ehr: Ehr) -> datetime:
    if not claims["iat"] > 0:  # that it is not of tomorrow has been checked with the rest
        raise _refused("iat", ehr.id)
    return datetime.fromtimestamp(claims["iat"], UTC)


def _no_person(ehr: str) -> Forbidden:
    telemetry.log().warning("user refused", ehr=ehr, code="U-SIGNER-NOT-PRACTITIONER")
    msg = "Only a Practitioner of this EHR may do this; devices, patients and systems may not."
    return Forbidden("U-SIGNER-NOT-PRACTITIONER", msg)


def _refused(reason: str, ehr: str | None = None) -> Unauthenticated:
    telemetry.log().warning("authentication refused", code="U-AUTH", reason=reason, ehr=ehr)
    return Unauthenticated("U-AUTH", "Sign in at the EHR and try again.")
