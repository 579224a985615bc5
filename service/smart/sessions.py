"""Browser sessions on the server: the cookie is a random name, the record is sealed, tokens never leave."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Forbidden, Unauthenticated
from service.smart.tokens import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.settings import Ehr, Settings

COOKIE = "undersign_session"
_KIND = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in practitioner in one browser; ``patient`` is the launch's patient, None when standalone."""

    practitioner: Practitioner
    token: str
    patient: str | None
    csrf: str
    expires: datetime


def name(secret: str) -> str:
    """Return the store's key for a cookie: a stolen store does not give cookies."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def start(services: "Services", response: Response, session: Session, ehr: "Ehr") -> None:
    """Keep the session until its token expires and set its cookie."""
    secret = secrets.token_urlsafe(32)
    key = name(secret)
    sealed = services.sealer.seal(msgspec.json.encode(session), _KIND + key)
    await services.store.keep(_KIND, key, sealed, session.expires)
    set_cookie(response, COOKIE, secret, services.settings, ehr, session.expires - datetime.now(UTC))


def set_cookie(response: Response, cookie: str, value: str, settings: "Settings", ehr: "Ehr", life: timedelta) -> None:
    """Set a cookie that scripts cannot read; inside a tenant's EHR frame it has to be sent cross-site."""
    secure = settings.server.public_url.startswith("https://")
    framed = secure and bool(ehr.origins)
    response.set_cookie(
        cookie,
        value,
        max_age=max(0, int(life.total_seconds())),
        httponly=True,
        secure=secure,
        samesite="none" if framed else "lax",
        partitioned=framed,
    )


async def current(request: Request, services: "Services") -> Session | None:
    """Return the request's session, None when there is none or it has ended."""
    secret = request.cookies.get(COOKIE)
    if not secret:
        return None
    key = name(secret)
    sealed = await services.store.kept(_KIND, key)
    plain = services.sealer.open(sealed, _KIND + key) if sealed is not None else None
    return None if plain is None else msgspec.json.decode(plain, type=Session)


async def end(request: Request, services: "Services", response: Response) -> None:
    """Forget the session on both sides."""
    secret = request.cookies.get(COOKIE)
    if secret:
        await services.store.drop(_KIND, name(secret))
    response.delete_cookie(COOKIE)


async def required(request: Request, services: "Services") -> Session:
    """Return the session of a reading request, else Unauthenticated U-AUTH."""
    session = await current(request, services)
    if session is None:
        raise Unauthenticated("U-AUTH", "Sign in through your EHR.")
    return session


async def acting(request: Request, services: "Services", csrf: str | None) -> Session:
    """Return the session of a changing request after the anti-forgery checks, else Forbidden U-CSRF."""
    session = await required(request, services)
    origin = request.headers.get("origin")
    own = services.settings.server.public_url.rstrip("/")
    if origin is not None and origin != own:
        raise Forbidden("U-CSRF", "This request came from another site: open the page again.")
    if csrf is None or not secrets.compare_digest(csrf.encode(), session.csrf.encode()):
        raise Forbidden("U-CSRF", "The page is out of date: open it again.")
    return session
