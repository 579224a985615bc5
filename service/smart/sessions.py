"""Browser sessions on the server: the cookie is a random name, the record is sealed, tokens never leave."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.errors import Forbidden, Unauthenticated
from service.smart.practitioner import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.settings import Ehr, Settings

COOKIE = "undersign_session"
_KIND = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in practitioner in one browser; ``patient`` is the launch's patient, None when standalone.

    ``prescribes`` and ``specialist`` are what the EHR said at the sign-in, None where it did not say. They are for what
    a page offers and permit nothing.
    """

    practitioner: Practitioner
    token: str
    patient: str | None
    csrf: str
    expires: datetime
    prescribes: bool | None = None
    specialist: bool | None = None


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


def cookie(name_: str, settings: "Settings") -> str:
    """Return a cookie's name in full: over https no other host of the domain can set one with ``__Host-``.

    https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-__host-prefix
    """
    return f"__Host-{name_}" if _secure(settings) else name_


def set_cookie(response: Response, name_: str, value: str, settings: "Settings", ehr: "Ehr", life: timedelta) -> None:
    """Set a cookie that scripts cannot read; inside a tenant's EHR frame it has to be sent cross-site.

    ``value`` is one of our own URL-safe secrets. Written out by hand: Python's cookies know ``Partitioned``
    (https://github.com/privacycg/CHIPS) from 3.14 on only.
    """
    secure = _secure(settings)
    kind = "; Secure; SameSite=None; Partitioned" if secure and ehr.origins else "; Secure; SameSite=Lax"
    _write(response, cookie(name_, settings), value, life, kind if secure else "; SameSite=Lax")


def clear_cookie(response: Response, name_: str, settings: "Settings") -> None:
    """Remove a cookie, however it was set: a partitioned one is another cookie than one that is not."""
    kinds = ("; Secure; SameSite=None; Partitioned", "; Secure; SameSite=Lax")
    for kind in kinds if _secure(settings) else ("; SameSite=Lax",):
        _write(response, cookie(name_, settings), "", timedelta(0), kind)


def _write(response: Response, cookie_name: str, value: str, life: timedelta, kind: str) -> None:
    seconds = max(0, int(life.total_seconds()))
    response.headers.append("Set-Cookie", f"{cookie_name}={value}; Path=/; Max-Age={seconds}; HttpOnly{kind}")


def _secure(settings: "Settings") -> bool:
    return settings.server.public_url.startswith("https://")


def presented(request: Request, settings: "Settings") -> str | None:
    """Return the session cookie that a request brings, None for none."""
    return request.cookies.get(cookie(COOKIE, settings)) or None


async def current(request: Request, services: "Services") -> Session | None:
    """Return the request's session, None when there is none or it has ended."""
    secret = presented(request, services.settings)
    if secret is None:
        return None
    key = name(secret)
    sealed = await services.store.kept(_KIND, key)
    plain = services.sealer.open(sealed, _KIND + key) if sealed is not None else None
    try:
        return None if plain is None else msgspec.json.decode(plain, type=Session)
    except msgspec.DecodeError:  # kept by another version of the service: sign in again
        return None


async def forget(request: Request, services: "Services") -> None:
    """Forget the request's session on the server; another one may then begin in its place."""
    secret = presented(request, services.settings)
    if secret is not None:
        await services.store.drop(_KIND, name(secret))


async def end(request: Request, services: "Services", response: Response) -> None:
    """Forget the session on both sides."""
    await forget(request, services)
    clear_cookie(response, COOKIE, services.settings)


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
    own = urlsplit(services.settings.server.public_url)
    if origin is not None and origin != f"{own.scheme}://{own.netloc}":
        raise Forbidden("U-CSRF", "This request came from another site: open the page again.")
    if csrf is None or not secrets.compare_digest(csrf.encode(), session.csrf.encode()):
        raise Forbidden("U-CSRF", "The page is out of date: open it again.")
    return session
