"""A CDS service under check: ours in memory, and behind it a person who spoils one thing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from conformance.exchanges import Asked, Exchange
from conformance.suites.service.probe import Client
from service.settings import CdsClient, Ehr

ISSUER = "https://ehr.example/fhir"
BASE = "http://127.0.0.1:8040"
ORIGIN = "https://ehr.north.example"
KEY = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
CLIENT = Client(ISSUER, KEY, "ES384")
IDS = ("psychotropic-options", "psychotropic-order-select", "psychotropic-order-sign")
Spoil = Callable[[Asked, Exchange], Exchange]
Json = dict[str, Any]


def tenant(jwks: Any) -> Ehr:
    """Return the tenant whose calls carry tokens of ``KEY``; ``jwks`` is the path of its public key."""
    audiences = tuple(f"{BASE}/cds-services/{one}" for one in IDS)
    client = CdsClient(required=True, issuer=ISSUER, jwks_file=jwks, audiences=audiences)
    return Ehr(id="north", name="North Hospital", fhir_base=ISSUER, origins=(ORIGIN,), cds_client=client)


@dataclass
class InMemory:
    """Sends to the application in memory; ``spoil`` changes what comes back."""

    client: TestClient
    spoil: Spoil = lambda _, answer: answer

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Send one request."""
        path = asked.url.removeprefix(BASE)
        answer = self.client.request(asked.method, path, headers=dict(asked.headers), content=asked.body or None)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        found = Exchange(number, asked, "2026-11-22T10:42:00Z", 1.0, answer.status_code, headers, answer.content)
        return self.spoil(asked, found)

    async def close(self) -> None:
        """Nothing is held."""


def on(path: str, change: Callable[[Any], Any]) -> Spoil:
    """Return what changes the JSON of good answers whose path ends so."""

    def spoil(asked: Asked, answer: Exchange) -> Exchange:
        if answer.status != 200 or not asked.url.endswith(path):
            return answer
        return replace(answer, body=json.dumps(change(answer.json())).encode())

    return spoil


def each_service(**change: Any) -> Spoil:
    """Return what changes every listed service; None takes a field away."""

    def changed(found: Json) -> Json:
        services = [{n: v for n, v in {**one, **change}.items() if v is not None} for one in found["services"]]
        return {**found, "services": services}

    return on("/cds-services", changed)


def each_card(change: Callable[[Json], Json]) -> Spoil:
    """Return what changes every card of every call."""

    def spoil(asked: Asked, answer: Exchange) -> Exchange:
        cards = answer.list("cards")
        if asked.method != "POST" or answer.status != 200 or cards is None:
            return answer
        return replace(answer, body=json.dumps({"cards": [change(dict(one)) for one in cards]}).encode())

    return spoil


def with_status(status: int, *, when: Callable[[Asked], bool], body: bytes = b'{"cards": []}') -> Spoil:
    """Return what answers certain requests with a status, whatever the service said."""

    def spoil(asked: Asked, answer: Exchange) -> Exchange:
        return replace(answer, status=status, body=body) if when(asked) else answer

    return spoil


def each_suggestion(change: Callable[[Json], Json]) -> Spoil:
    """Return what changes every suggestion that acts."""

    def changed(card: Json) -> Json:
        if "suggestions" not in card:
            return card
        listed = cast("list[Json]", card["suggestions"])
        return {**card, "suggestions": [change(one) if "actions" in one else one for one in listed]}

    return each_card(changed)
