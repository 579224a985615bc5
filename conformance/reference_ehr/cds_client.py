"""The EHR's CDS Hooks client: discovery, a hook call with prefetch and a signed JWT, feedback."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from conformance.reference_ehr import cards, prefetch
from conformance.reference_ehr.codec import encode, is_list, is_object
from conformance.reference_ehr.dialects import Dialect
from conformance.reference_ehr.keys import Keys
from conformance.reference_ehr.oauth import AuthorizationServer
from conformance.reference_ehr.refusals import Json, Refusal, invalid
from conformance.reference_ehr.store import Clock, Store

TOKEN_LIFE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of a hook and what came of it. Times in milliseconds, sizes in bytes.

    ``queries`` is the query behind each prefetch key that was sent; ``problems`` are the requirements that
    the answer breaks.
    """

    service: str
    hook_instance: str
    status: int
    milliseconds: float
    request_bytes: int
    response_bytes: int
    queries: Mapping[str, str]
    problems: tuple[str, ...]
    answer: Any


class CdsClient:
    """Calls one CDS service as this EHR."""

    def __init__(
        self,
        root: str,
        store: Store,
        keys: Keys,
        authorization: AuthorizationServer,
        service_url: str | None,
        http: httpx.AsyncClient,
        clock: Clock,
        dialect: Dialect,
    ) -> None:
        self._dialect = dialect
        self._root, self._base = root, f"{root}/fhir"
        self._store, self._keys, self._authorization = store, keys, authorization
        self._service_url, self._http, self._clock = service_url, http, clock

    async def discover(self) -> list[Json]:
        """Return the services that the CDS service announces."""
        address = f"{self._required()}/cds-services"
        answer = await self._send("GET", address, None)
        found = _json(answer)
        services = found.get("services") if is_object(found) else None
        if answer.status_code != 200 or not is_list(services):
            raise _failed("The CDS service's discovery is not a list of services.")
        return services

    async def patient_view(self, username: str, patient: str) -> list[HookCall]:
        """Open a chart: call every patient-view service for this user and patient."""
        account = self._authorization.accounts.get(username)
        if account is None or self._store.find(f"Patient/{patient}") is None:
            raise invalid("The EHR has no such user or patient.")
        context = {"userId": account.fhir_user, "patientId": patient}
        services = [s for s in await self.discover() if s.get("hook") == "patient-view"]
        return [await self.call(service, context) for service in services]

    async def call(self, service: Mapping[str, Any], context: Mapping[str, str]) -> HookCall:
        """Call one announced service with prefetch, and judge the shape of what it answers."""
        templates = service.get("prefetch", {})
        filled, queries = prefetch.fill(self._store, self._base, templates, context, self._dialect)
        instance = str(uuid4())
        body = encode(
            {
                "hook": service["hook"],
                "hookInstance": instance,
                "fhirServer": self._base,
                "fhirAuthorization": self._fhir_authorization(context),
                "context": context,
                "prefetch": filled,
            }
        )
        address = f"{self._required()}/cds-services/{service['id']}"
        before = time.perf_counter()
        answer = await self._send("POST", address, body)
        elapsed = (time.perf_counter() - before) * 1000
        parsed = _json(answer)
        found = cards.problems(parsed) if answer.status_code == 200 else ()
        return HookCall(
            service["id"],
            instance,
            answer.status_code,
            elapsed,
            len(body),
            len(answer.content),
            queries,
            found,
            parsed,
        )

    async def feedback(self, service_id: str, items: Sequence[Mapping[str, Any]]) -> int:
        """Tell the service what became of its cards; returns the HTTP status."""
        address = f"{self._required()}/cds-services/{service_id}/feedback"
        return (await self._send("POST", address, encode({"feedback": items}))).status_code

    def token(self, audience: str) -> str:
        """Return the JWT for one call (CDS Hooks 2.0 "Trusting CDS Clients")."""
        now = int(self._clock().timestamp())
        return self._keys.sign(
            {
                "iss": self._base,
                "aud": audience,
                "iat": now,
                "exp": now + int(TOKEN_LIFE.total_seconds()),
                "jti": str(uuid4()),
            }
        )

    def _fhir_authorization(self, context: Mapping[str, str]) -> Json:
        """Give the service a short read-only token for this one patient."""
        scope, patient = "patient/*.rs", {"patient": context["patientId"]}
        token = self._authorization.access_token("cds-service", context["userId"], scope, TOKEN_LIFE, patient)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "scope": scope,
            "subject": "cds-service",
            **patient,
        }

    async def _send(self, method: str, address: str, body: bytes | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(address)}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._http.request(method, address, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise _failed("The CDS service did not answer.") from error

    def _required(self) -> str:
        if self._service_url is None:
            raise invalid("No CDS service is configured: start with --service URL.")
        return self._service_url


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _failed(message: str) -> Refusal:
    return Refusal(502, "transient", "U-REF-CDS", message)
