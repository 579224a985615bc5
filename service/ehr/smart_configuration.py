"""What an EHR says of itself under ``.well-known/smart-configuration``, and which addresses are allowed.

SMART App Launch 2.2, "Conformance": https://hl7.org/fhir/smart-app-launch/conformance.html
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from service.errors import ConfigError, EhrFailed


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """The endpoints of one EHR's authorisation server; None where the document names none."""

    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    introspection_endpoint: str | None = None
    token_endpoint_auth_methods: tuple[str, ...] = ()


_DEFAULT_PORTS = {"https": 443, "http": 80}


class _Document(msgspec.Struct, frozen=True):
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    introspection_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()


def parse(raw: bytes, *, development: bool) -> SmartConfiguration:
    """Read the discovery document; EhrFailed U-EHR-SMART when unreadable or naming a refused address."""
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EhrFailed(
            "U-EHR-SMART", "The EHR's smart-configuration is not JSON of the expected shape; ask the EHR."
        ) from error
    return SmartConfiguration(
        issuer=document.issuer,
        authorization_endpoint=_endpoint(document.authorization_endpoint, development),
        token_endpoint=_endpoint(document.token_endpoint, development),
        jwks_uri=_endpoint(document.jwks_uri, development),
        introspection_endpoint=_endpoint(document.introspection_endpoint, development),
        token_endpoint_auth_methods=document.token_endpoint_auth_methods_supported,
    )


def _endpoint(address: str | None, development: bool) -> str | None:
    if address is None or allowed(address, development=development):
        return address
    raise EhrFailed(
        "U-EHR-SMART",
        "The EHR's smart-configuration names an endpoint that is not https; ask the EHR to correct it.",
    )


def fhir_base(address: str, *, development: bool) -> httpx.URL:
    """Return a tenant's FHIR base without its last slash; ConfigError U-CONFIG-VALUE when it is refused."""
    if not allowed(address, development=development) or urlsplit(address).query:
        raise ConfigError(
            "U-CONFIG-VALUE",
            "ehr.fhir_base must be an https address without query or user information "
            "(http is taken for a loopback address with server.development = true).",
        )
    return httpx.URL(address.rstrip("/"))


def allowed(address: str, *, development: bool) -> bool:
    """Say whether an address may be called: https, or plain http to loopback in development.

    Two URL parsers must agree on the host: where they differ, one of them can be led elsewhere.
    """
    try:
        seen, split = httpx.URL(address), urlsplit(address)
        same = seen.host == (split.hostname or "") and _port(split.port, seen) == _port(seen.port, seen)
    except (httpx.InvalidURL, ValueError):
        return False
    if not same or not seen.host or seen.userinfo or split.fragment or "\\" in address:
        return False
    return seen.scheme == "https" or (seen.scheme == "http" and development and is_loopback(seen.host))


def _port(port: int | None, address: httpx.URL) -> int | None:
    return _DEFAULT_PORTS.get(address.scheme) if port is None else port


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine: ``localhost`` or a written-out loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
