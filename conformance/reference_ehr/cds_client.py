"""The EHR's CDS Hooks client: discovery, a hook call with prefetch and a signed JWT, feedback."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from conformance.reference_ehr import cards, habits, prefetch
from conformance.reference_ehr.codec import encode, is_list, is_object
from conformance.reference_ehr.dialects import Dialect
from conformance.reference_ehr.habits import Habit, Kind, Sending
from conformance.reference_ehr.keys import ALGORITHM, Keys
from conformance.reference_ehr.oauth import AuthorizationServer
from conformance.reference_ehr.refusals import Json, Refusal, invalid
from conformance.reference_ehr.store import Clock, Store

TOKEN_LIFE = timedelta(minutes=5)
_JSON = {"Accept": "application/json"}
Sleep = Callable[[float], Coroutine[Any, Any, None]]


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
    """Calls one CDS service as this EHR. ``habits`` are its faults, none without any."""

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
        *,
        habits: Sequence[Habit] = (),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._dialect = dialect
        self._root, self._base = root, f"{root}/fhir"
        self._store, self._keys, self._authorization = store, keys, authorization
        self._service_url, self._http, self.clock = service_url, http, clock
        self._habits, self.sleep = tuple(habits), sleep

    async def discover(self) -> list[Json]:
        """Return the services that the CDS service announces."""
        for habit in self._habits:
            if habit.services is not None:
                return [dict(one) for one in habit.services()]
        answer = await self._send("discovery", "GET", f"{self._required()}/cds-services", None)
        found = _json(answer)
        services = found.get("services") if is_object(found) else None
        if answer.status_code != 200 or not is_list(services):
            raise _failed("The CDS service's discovery is not a list of services.")
        return services

    async def patient_view(self, username: str, patient: str) -> list[HookCall]:
        """Open a chart: call every patient-view service for this user and patient."""
        return await self.hook("patient-view", username, patient)

    async def order_select(self, username: str, patient: str, drafts: Sequence[Json]) -> list[HookCall]:
        """Choose orders: call every order-select service with them as drafts, all of them selected."""
        selections = [f"{one['resourceType']}/{one['id']}" for one in drafts]
        return await self.hook("order-select", username, patient, selections=selections, draftOrders=_bundle(drafts))

    async def order_sign(self, username: str, patient: str, drafts: Sequence[Json]) -> list[HookCall]:
        """Be about to sign orders: call every order-sign service with them."""
        return await self.hook("order-sign", username, patient, draftOrders=_bundle(drafts))

    async def hook(self, name: str, username: str, patient: str, **context: Any) -> list[HookCall]:
        """Call every service of a hook for this user and patient; ``context`` holds the hook's own fields."""
        account = self._authorization.accounts.get(username)
        if account is None or self._store.find(f"Patient/{patient}") is None:
            raise invalid("The EHR has no such user or patient.")
        whole = {"userId": account.fhir_user, "patientId": patient, **context}
        services = [s for s in await self.discover() if s.get("hook") == name]
        copies = max((habit.copies for habit in self._habits), default=1)
        return [await self.call(service, whole) for service in services for _ in range(copies)]

    async def call(self, service: Mapping[str, Any], context: Mapping[str, Any]) -> HookCall:
        """Call one announced service with prefetch, and judge the shape of what it answers."""
        templates = service.get("prefetch", {})
        filled, queries = prefetch.fill(self._store, self._base, templates, context, self._dialect)
        instance = str(uuid4())
        body = {
            "hook": service["hook"],
            "hookInstance": instance,
            "fhirServer": self._base,
            "fhirAuthorization": self._fhir_authorization(context),
            "context": context,
            "prefetch": filled,
        }
        address = f"{self._required()}/cds-services/{service['id']}"
        before = time.perf_counter()
        answer = await self._send("call", "POST", address, body)
        elapsed = (time.perf_counter() - before) * 1000
        parsed = _json(answer)
        found = cards.problems(parsed) if answer.status_code == 200 else ()
        size = len(answer.request.content)
        return HookCall(
            service["id"], instance, answer.status_code, elapsed, size, len(answer.content), queries, found, parsed
        )

    async def feedback(self, service_id: str, items: Sequence[Mapping[str, Any]]) -> int:
        """Tell the service what became of its cards; returns the HTTP status, 0 where nothing was sent."""
        if any(habit.silent for habit in self._habits):
            return 0
        address = f"{self._required()}/cds-services/{service_id}/feedback"
        return (await self._send("feedback", "POST", address, {"feedback": list(items)})).status_code

    def token(self, audience: str) -> str:
        """Return the JWT for one call."""
        return self._keys.sign(self._claims(audience))

    def _claims(self, audience: str) -> Json:
        """Return the claims of the JWT for one call (CDS Hooks 2.0 "Trusting CDS Clients")."""
        now = int(self.clock().timestamp())
        life = int(TOKEN_LIFE.total_seconds())
        return {"iss": self._base, "aud": audience, "iat": now, "exp": now + life, "jti": str(uuid4())}

    def _fhir_authorization(self, context: Mapping[str, Any]) -> Json:
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

    async def _send(self, kind: Kind, method: str, address: str, body: Any) -> httpx.Response:
        """Send a request, and again as the answer asks for and the client's patience goes."""
        times = 0
        while True:
            answer = await self._once(self._sending(kind, method, address, body))
            times += 1
            wait = self._patience(answer, times)
            if wait is None:
                return answer
            await self.sleep(wait)

    def _sending(self, kind: Kind, method: str, address: str, body: Any) -> Sending:
        headers = _JSON if body is None else {**_JSON, "Content-Type": "application/json"}
        head = {"alg": ALGORITHM, "kid": self._keys.kid, "typ": "JWT", "jku": f"{self._root}/jwks.json"}
        sending = Sending(kind, method, address, headers, head, self._claims(address), body)
        for habit in self._habits:
            sending = habit.change(sending) if habit.change else sending
        return sending

    async def _once(self, sending: Sending) -> httpx.Response:
        sent = replace(sending, headers={**sending.headers, **self._authorized(sending)})
        raw = sent.body if isinstance(sent.body, bytes | None) else encode(sent.body)
        asked = self._http.request(sent.method, sent.address, content=raw, headers=dict(sent.headers))
        try:
            return await asyncio.wait_for(asked, sent.timeout_s)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _failed("The CDS service did not answer.") from error

    def _authorized(self, sending: Sending) -> Mapping[str, str]:
        if sending.claims is None:
            return {}
        token = self._keys.sign(sending.claims, sending.head)
        for habit in self._habits:
            token = habit.sealed(token) if habit.sealed else token
        return {"Authorization": f"Bearer {token}"}

    def _patience(self, answer: httpx.Response, times: int) -> float | None:
        told = answer.headers.get("retry-after", "")
        after = float(told) if told.isdigit() else None
        ways = [habit.again for habit in self._habits if habit.again] or [habits.patient]
        return ways[0](answer.status_code, times, after)

    def _required(self) -> str:
        if self._service_url is None:
            raise invalid("No CDS service is configured: start with --service URL.")
        return self._service_url


def _bundle(drafts: Sequence[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in drafts]}


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _failed(message: str) -> Refusal:
    return Refusal(502, "transient", "U-REF-CDS", message)
