"""The EHR's token endpoint: our backend tokens, and the exchange of a user's authorisation code.

SMART Backend Services and asymmetric client authentication:
https://hl7.org/fhir/smart-app-launch/backend-services.html, …/client-confidential-asymmetric.html
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from service.drafts.signature.signing import Signer
from service.ehr.smart_configuration import SmartConfiguration
from service.ehr.transport import Answer, EhrRefused, Transport, successful
from service.errors import EhrFailed, Forbidden

# The standard allows five minutes; clocks differ.
ASSERTION_S = 240
TOKEN_MARGIN_S = 30.0
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OF_SCOPE = "invalid_scope"
# The errors of a token endpoint (RFC 6749 §5.2).
_ERRORS = (
    _OF_SCOPE, "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
)  # fmt: skip
_HEADERS = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


T = TypeVar("T")


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class TokenRefused(EhrFailed):
    """The EHR gives our client no token: U-EHR-SCOPE where it is ``scope`` that it does not grant, else U-EHR-TOKEN."""

    issue = "login"

    def __init__(self, code: str, message: str, scope: str | None = None) -> None:
        super().__init__(code, message)
        self.scope = scope


class TokenEndpoint:
    """Asks for tokens as ``client``, keeps ours until shortly before they end."""

    def __init__(
        self,
        client: str,
        signer: Signer,
        transport: Transport,
        configuration: Callable[[], Awaitable[SmartConfiguration]],
        *,
        development: bool,
    ) -> None:
        self._client = client
        self._signer = signer
        self._transport = transport
        self._configuration = configuration
        self._development = development
        self._kept: dict[str, tuple[float, str]] = {}
        self._lock = asyncio.Lock()

    async def backend(self, scope: str) -> str | None:
        """Return a token for ``scope``; None only in development, where the EHR names no token endpoint.

        TokenRefused when the EHR gives none: that says nothing of what the token was wanted for, and passes when
        the registration is put right. EhrRefused where it only puts it off.
        """
        async with self._lock:
            kept = self._kept.get(scope)
            if kept is not None and kept[0] > time.monotonic():
                return kept[1]
            endpoint = (await self._configuration()).token_endpoint
            if endpoint is None and self._development:
                return None
            return self._keep(scope, await self._grant(scope, _required(endpoint)))

    def forget(self, scope: str) -> None:
        """Drop a token that the EHR no longer takes."""
        self._kept.pop(scope, None)

    async def exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Exchange an authorisation code; Forbidden U-LAUNCH-DENIED when the EHR refuses it."""
        found = await self._configuration()
        endpoint = _required(found.token_endpoint)
        signed = self._signed(endpoint) if "private_key_jwt" in found.token_endpoint_auth_methods else {}
        try:
            raw = successful(await self._post(endpoint, {**form, **signed}), "the exchange of a code").body
        except EhrRefused as error:
            if error.passing:
                raise
            raise Forbidden(
                "U-LAUNCH-DENIED", "The EHR did not grant access: open the page from the EHR again."
            ) from error
        return _decode(raw, dict[str, Any])

    async def _grant(self, scope: str, endpoint: str) -> bytes:
        form = {"grant_type": "client_credentials", "scope": scope, **self._signed(endpoint)}
        answer = await self._post(endpoint, form)
        try:
            return successful(answer, "the request for a token").body
        except EhrRefused as error:
            if error.passing:
                raise
            raise _refusal(_oauth_error(answer.body), error.http_status, self._client, scope) from error

    async def _post(self, endpoint: str, form: Mapping[str, str]) -> Answer:
        body = str(httpx.QueryParams(form)).encode()
        return await self._transport.send("POST", httpx.URL(endpoint), _HEADERS, body)

    def _keep(self, scope: str, raw: bytes) -> str:
        granted = _decode(raw, _Granted)
        # Without expires_in nothing is known of its life: it is used once and not kept.
        life = (granted.expires_in or 0) - TOKEN_MARGIN_S
        if life > 0:
            self._kept[scope] = (time.monotonic() + life, granted.access_token)
        return granted.access_token

    def _signed(self, audience: str) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self._client,
            "sub": self._client,
            "aud": audience,
            "iat": now,
            "exp": now + ASSERTION_S,
            "jti": str(uuid.uuid4()),
        }
        return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self._signer.sign_jwt(claims)}


def _oauth_error(body: bytes) -> str:
    """Return the code of an error answer (RFC 6749 §5.2), empty for a body that has none of its codes."""
    try:
        found = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found if found in _ERRORS else ""


def _refusal(code: str, status: int, client: str, scope: str) -> TokenRefused:
    said = f"The EHR gave our client {client} no token ({status}{f', {code}' if code else ''})"
    if code == _OF_SCOPE:
        told = f"{said}: its administrator grants it {scope} (ehr.smart_client_id, docs/configuration.md)."
        return TokenRefused("U-EHR-SCOPE", told, scope)
    told = (
        f"{said}: its administrator checks the registration of that client and the key at our /.well-known/jwks.json."
    )
    return TokenRefused("U-EHR-TOKEN", told)


def _required(endpoint: str | None) -> str:
    if endpoint is None:
        raise EhrFailed("U-EHR-SMART", "The EHR's discovery names no token endpoint; ask the EHR's operators.")
    return endpoint


def _decode(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EhrFailed("U-EHR-SMART", "The EHR's token answer cannot be read; ask its operators.") from error
