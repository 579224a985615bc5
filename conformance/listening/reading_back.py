"""What the EHR itself says: its keys, and what the query behind each prefetch key returns.

Everything is asked one request at a time, with the token of the call and at the one FHIR base that was named.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

from conformance.checks import Broken, Untested
from conformance.exchanges import Exchange
from conformance.listening import tokens
from conformance.listening.plan import Plan
from conformance.session import Session
from conformance.suites.ehr import listings
from fhir_adapters.survey.searches import Request
from fhir_adapters.survey.wanted import templates

COMPARED = 2  # calls of a service whose prefetch is compared with the EHR's own answers
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Reader:
    """Asks the EHR over a session; keeps which call each request was made for."""

    def __init__(self, plan: Plan, session: Session) -> None:
        self._plan, self._session = plan, session
        self._keys: list[dict[str, Any]] | None = None
        self._compared: dict[str, int] = {}
        self._tags: dict[int, dict[str, Any]] = {}

    def exchanges(self) -> list[Exchange]:
        """Return what was asked, each marked with the call that it was for."""
        return [replace(one, seen=self._tags.get(one.number, {})) for one in self._session.exchanges]

    async def signature(self, call: int, told: Mapping[str, Any], authorization: str) -> tokens.Signature:
        """Return whether a token's signature holds; keys that may have been changed since are asked for once more."""
        if self._keys is None:
            self._keys = await self._fetched(call, told)
        found = tokens.signature(authorization, self._keys)
        if found == "unknown-key":
            self._keys = await self._fetched(call, told)
            found = tokens.signature(authorization, self._keys)
        return found

    async def _fetched(self, call: int, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the EHR's keys: those that were named, else of a ``jku`` on the EHR's own host."""
        if self._plan.jwks.lstrip().startswith("{"):
            return tokens.jwk_set(self._plan.jwks.encode())
        jku = str(told.get("header", {}).get("jku", ""))
        ours = bool(self._plan.fhir_base) and _host(jku) == _host(self._plan.fhir_base)
        address = self._plan.jwks or (jku if ours else "")
        if not address:
            return []
        try:
            answer = await self._session.send("GET", address, headers={"accept": "application/json"}, token=False)
        except (Broken, Untested):
            return []
        self._tags[answer.number] = {"for": call, "keys": True}
        return tokens.jwk_set(answer.body) if answer.status == 200 else []

    async def compare(self, call: int, service: str, body: Mapping[str, Any]) -> None:
        """Ask what stands behind each prefetch key of a call, where the base was named and the call has a token."""
        server, token, _ = access(body)
        if not self._plan.fhir_base or server != self._plan.fhir_base or not token:
            return
        self._compared[service] = self._compared.get(service, 0) + 1
        if self._compared[service] > COMPARED:
            return
        for key, query in queries(body).items():
            before = len(self._session.exchanges)
            self._session.token = token
            with suppress(Broken, Untested):
                await listings.follow(self._session, Request(query))
            self._session.token = None
            for one in self._session.exchanges[before:]:
                self._tags[one.number] = {"for": call, "key": key}


def access(body: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Return (fhirServer without a final slash, access token, fhirAuthorization) of a call, each empty for none."""
    given = _object(body.get("fhirAuthorization"))
    server, token = body.get("fhirServer"), given.get("access_token")
    found = server.rstrip("/") if isinstance(server, str) else ""
    return found, token if isinstance(token, str) else "", given


def queries(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the query behind each prefetch key for the patient of a call; none where the call names no patient."""
    patient = _object(body.get("context")).get("patientId")
    if not isinstance(patient, str) or not _ID.fullmatch(patient):
        return {}
    return {one.key: one.query(patient) for one in templates()}


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
