"""What settings may stand together: refusals that keep an unsafe or unfinished set-up from starting."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from service.errors import ConfigError
from service.settings import Ehr, Settings, StoreSettings


def check(settings: Settings) -> None:
    """Raise ConfigError U-CONFIG-VALUE for the first setting that cannot be used, and say what to do."""
    _check_server(settings)
    _check_store(settings.store, development=settings.server.development)
    _once("ehr.id", (ehr.id for ehr in settings.ehr))
    _once("ehr.fhir_base", (ehr.fhir_base for ehr in settings.ehr))
    _once("ehr.cds_client.issuer", (e.cds_client.issuer for e in settings.ehr if e.cds_client.issuer))
    for ehr in settings.ehr:
        _check_tenant(ehr, development=settings.server.development)


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine by its spelling: ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_server(settings: Settings) -> None:
    url = settings.server.public_url
    _check_url("server.public_url", url)
    if url.endswith("/"):
        raise _refuse("server.public_url", "ends with a slash; leave it out")
    if settings.server.body_limit_bytes < 1 or settings.server.read_timeout_s <= 0:
        raise _refuse("server", "body_limit_bytes and read_timeout_s must be above zero")
    if settings.hold.expires_after_s < 1:
        raise _refuse("hold.expires_after_s", "must be above zero")


def _check_store(store: StoreSettings, *, development: bool) -> None:
    if store.replicas < 0:
        raise _refuse("store.replicas", "must not be below zero")
    if store.url.startswith(("redis://", "rediss://")):
        _check_redis(store.url, development=development)
    elif not store.url.startswith("sqlite:///") or store.url == "sqlite:///":
        raise _refuse("store.url", "write sqlite:///FILE, redis://HOST:PORT/DB or rediss://HOST:PORT/DB")


def _check_redis(url: str, *, development: bool) -> None:
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "redis" and not is_loopback(url)
        fits = parts.hostname and (parts.port or 1) and re.fullmatch(r"/?[0-9]*", parts.path) and not parts.query
    except ValueError:
        plain, fits = False, False
    if not fits:
        raise _refuse("store.url", "write redis://HOST:PORT/DB or rediss://HOST:PORT/DB")
    if plain and not development:
        raise _refuse("store.url", "plain redis:// beyond loopback needs server.development = true; use rediss://")


def _check_tenant(ehr: Ehr, *, development: bool) -> None:
    _check_url(f"ehr {ehr.id}: fhir_base", ehr.fhir_base)
    if ehr.fhir_base.startswith("http:") and not development:
        raise _refuse(f"ehr {ehr.id}: fhir_base", "plain http needs server.development = true; use https")
    for origin in ehr.origins:
        _check_url(f"ehr {ehr.id}: origins", origin)
        if urlsplit(origin).path:
            raise _refuse(f"ehr {ehr.id}: origins", "an origin is scheme, host and port, without a path")
    if ehr.supervision.others_sign != "all" and not ehr.supervision.specialist_role_codes:
        raise _refuse(
            f"ehr {ehr.id}: supervision",
            f'others_sign = "{ehr.supervision.others_sign}" needs specialist_role_codes: else nobody could sign',
        )
    if ehr.limits.calls_per_second <= 0 or ehr.limits.burst < 1:
        raise _refuse(f"ehr {ehr.id}: limits", "calls_per_second must be above zero and burst at least 1")
    if ehr.cds_client.required:
        _check_client(ehr)
    elif not development:
        raise _refuse(f"ehr {ehr.id}: cds_client.required", "false is for server.development = true only")


def _check_client(ehr: Ehr) -> None:
    client, where = ehr.cds_client, f"ehr {ehr.id}: cds_client"
    if not client.issuer:
        raise _refuse(where, "required = true needs issuer, the iss of the EHR's tokens")
    if (client.jwks_file is None) == (client.jwks_url is None):
        raise _refuse(where, "required = true needs the EHR's keys: one of jwks_file and jwks_url")
    if not client.audiences:
        raise _refuse(where, "required = true needs audiences, as the EHR has them in its tokens")
    if not client.algorithms:
        raise _refuse(where, "algorithms must name ES384, RS384 or both")
    if client.jwks_url:
        _check_url(f"{where}.jwks_url", client.jwks_url)


def _check_url(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _refuse(where, "must be an absolute https URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refuse(where, "must be an absolute https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _refuse(where, "must have no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(url):
        raise _refuse(where, "plain http is for loopback only; use https")


def _once(where: str, values: Iterable[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise _refuse(where, f"{twice[0]} is there twice; each tenant needs its own")


def _refuse(where: str, what: str) -> ConfigError:
    return ConfigError("U-CONFIG-VALUE", f"{where}: {what}")
