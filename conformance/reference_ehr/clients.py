"""The apps that are registered with the EHR, and how they prove who they are (private_key_jwt)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact

from conformance.reference_ehr.keys import verified_claims
from conformance.reference_ehr.refusals import Json, OAuthRefusal
from conformance.reference_ehr.store import Clock

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = timedelta(minutes=5)
"""SMART Backend Services: an assertion expires no later than five minutes from now."""


@dataclass(frozen=True, slots=True)
class Client:
    """One registered app. ``scopes`` is the most it can get; without keys it is public (PKCE only)."""

    id: str
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    launch_url: str | None = None
    jwks_uri: str | None = None
    jwks: Json | None = None


class ClientDesk:
    """Knows the registered apps, keeps their public keys and remembers which assertions were used."""

    def __init__(self, clients: Sequence[Client], token_endpoint: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self._clients = {client.id: client for client in clients}
        self._token_endpoint = token_endpoint
        self._http = http
        self._clock = clock
        self._keys: dict[str, KeySet] = {}
        self._used: dict[tuple[str, str], float] = {}

    def get(self, client_id: object) -> Client | None:
        """Return the registered app of that id."""
        return self._clients.get(client_id) if isinstance(client_id, str) else None

    async def authenticate(self, form: Mapping[str, str]) -> Client:
        """Return the app whose assertion is in the form; every fault gives ``invalid_client``.

        Checked: type, signature by a registered key, iss = sub = client_id, aud = token endpoint, exp at most
        five minutes away, jti never seen before.
        """
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthRefusal("invalid_client", "client_assertion_type is not the JWT bearer type.", 401)
        token = form.get("client_assertion", "")
        client = self.get(_unverified_issuer(token))
        if client is None or form.get("client_id", client.id) != client.id:
            raise OAuthRefusal("invalid_client", "The assertion's issuer is not a registered app.", 401)
        claims = await self._claims(token, client)
        if claims is None:
            raise OAuthRefusal("invalid_client", "The assertion's signature or claims do not hold.", 401)
        self._use_once(client, claims)
        return client

    async def _claims(self, token: str, client: Client) -> Json | None:
        expected = {"iss": client.id, "sub": client.id, "aud": self._token_endpoint}
        for fresh in (False, True):
            keys = await self._key_set(client, fresh=fresh)
            claims = verified_claims(token, keys, self._clock(), expected, algorithms=("ES384", "RS384"))
            if claims is not None or client.jwks_uri is None:
                return claims
        return None

    async def _key_set(self, client: Client, *, fresh: bool) -> KeySet:
        """Return the app's keys, fetched once; a token that does not fit is worth a second look."""
        if client.id not in self._keys or fresh:
            self._keys[client.id] = await self._load(client)
        return self._keys[client.id]

    async def _load(self, client: Client) -> KeySet:
        try:
            if client.jwks is not None:
                return KeySet.import_key_set(client.jwks)  # pyright: ignore[reportArgumentType]
            if client.jwks_uri is None:
                raise OAuthRefusal("invalid_client", "This app registered no keys.", 401)
            answer = await self._http.get(client.jwks_uri)
            return KeySet.import_key_set(answer.raise_for_status().json())
        except (httpx.HTTPError, JoseError, ValueError) as error:
            raise OAuthRefusal("invalid_client", "The app's public keys could not be fetched.", 401) from error

    def _use_once(self, client: Client, claims: Json) -> None:
        now = self._clock().timestamp()
        jti, expires = claims.get("jti"), claims["exp"]
        if not isinstance(jti, str) or not jti:
            raise OAuthRefusal("invalid_client", "The assertion has no jti.", 401)
        if expires > now + ASSERTION_LIFE.total_seconds():
            raise OAuthRefusal("invalid_client", "The assertion expires more than five minutes away.", 401)
        self._used = {key: end for key, end in self._used.items() if end > now}
        if (client.id, jti) in self._used:
            raise OAuthRefusal("invalid_client", "The assertion was used before.", 401)
        self._used[client.id, jti] = expires


def _unverified_issuer(token: str) -> object:
    """Return the issuer that a token claims: only to find the keys with which it is then verified."""
    try:
        payload: object = json.loads(extract_compact(token.encode()).payload)
    except (JoseError, ValueError):
        return None
    return cast("Json", payload).get("iss") if isinstance(payload, dict) else None
