"""An EHR in memory with faults on demand, and an application over it that signs: for the tests of signing."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_adapters.dialect import profile
from recommender.catalog import knowledge
from service.bootstrap import Services
from service.boundary import HANDLED, Boundary, on_error
from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, NewDraft
from service.drafts.signature.signing import Signer
from service.drafts.sqlite.store import SqliteStore
from service.drafts.stores import AnyStore
from service.ehr import modes
from service.ehr.client import EhrClient
from service.fhir.api import router
from service.settings import Ehr, Server, Settings
from tests.contract import samples

BASE = "https://ehr.north.example/fhir"
PUBLIC_URL = "https://undersign.example"
USER_KEY = ECKey.generate_key("P-384", {"kid": "user-1"})
SIGNER = Signer(ECKey.generate_key("P-384"))
DOCTOR = {"system": "http://terminology.hl7.org/CodeSystem/practitioner-role", "code": "doctor"}


@dataclass
class FakeEhr:
    """A FHIR server of a few types. ``faults`` are taken one a create, in order; None behaves well.

    Faults: commit-then-drop, drop, 503, 500, 429, 400, 401, 412, duplicate, no-location, empty, slow,
    ignore-if-none-exist, reported-only, drop:<field>, wrong-dose. ``undeclared`` are left out of the
    CapabilityStatement (``Type: what``), and types ``declared_too`` stand in it beside what is written; with
    ``binaries`` attachments are kept apart. ``reads`` are faults of reads and searches (503, 429, drop, slow, empty);
    the worker whose ``dies_after``-th request this is dies with it. ``granted`` tells the scopes that are given, and
    ``withheld`` are not granted all the same. What is slow is given up at once, as if its time were over.
    """

    faults: list[str | None] = field(default_factory=list[str | None])
    ignore_search: bool = False
    reads: list[str | None] = field(default_factory=list[str | None])
    dies_after: int | None = None
    undeclared: set[str] = field(default_factory=set[str])
    declared_too: tuple[str, ...] = ()
    binaries: bool = False
    held: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])
    down: bool = False
    refuse_tokens: bool = False
    tokens: int = 0
    granted: Callable[[], str] = lambda: ""
    withheld: set[str] = field(default_factory=set[str])
    ids: Any = field(default_factory=count)

    def put(self, resource: dict[str, Any]) -> None:
        """Hold a resource."""
        self.held[f"{resource['resourceType']}/{resource['id']}"] = resource

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return every resource of a type."""
        return [r for r in self.held.values() if r["resourceType"] == kind]

    def prescriber(self, ident: str, *, active: bool = True, code: dict[str, str] | None = DOCTOR) -> None:
        """Hold a practitioner, with a role unless ``code`` is None."""
        self.put({"resourceType": "Practitioner", "id": ident, "active": active})
        if code is not None:
            role = {"resourceType": "PractitionerRole", "id": f"role-{ident}", "active": True}
            who = {"practitioner": {"reference": f"Practitioner/{ident}"}, "code": [{"coding": [code]}]}
            self.put({**role, **who})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        if self.down:
            raise httpx.ConnectError("down")
        path = request.url.path.removeprefix("/fhir/")
        if path == ".well-known/smart-configuration":
            return httpx.Response(200, json={"token_endpoint": f"{BASE}/token", "jwks_uri": f"{BASE}/jwks"})
        if path == "jwks":
            return httpx.Response(200, json={"keys": [USER_KEY.as_dict(private=False)]})
        if path == "token":
            self.tokens += 1
            if self.refuse_tokens:
                return httpx.Response(401, json={"error": "invalid_client"})
            asked = httpx.QueryParams(request.content.decode()).get("scope", "").split()
            if not all(self._grants(scope) for scope in asked):
                return httpx.Response(400, json={"error": "invalid_scope"})
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 300})
        if path == "metadata":
            return httpx.Response(200, json=capability(self.undeclared, self.declared_too))
        if "authorization" not in request.headers:
            return httpx.Response(401)
        answer = await self._write_or_read(request, path)
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after == 0:
                raise asyncio.CancelledError
        return answer

    def _grants(self, scope: str) -> bool:
        """Say whether a scope is within what the documents tell a site to register (SMART 2.2: letters of cruds)."""
        kind, _, letters = scope.rpartition(".")
        told = [one.rpartition(".") for one in self.granted().split() if one not in self.withheld]
        return any(kind == known and set(letters) <= set(more) for known, _, more in told)

    async def _write_or_read(self, request: httpx.Request, path: str) -> httpx.Response:
        if request.method in ("POST", "PUT"):
            return await self._create(request, *path.split("/"))
        fault = self.reads.pop(0) if self.reads else None
        if fault == "drop":
            raise httpx.ReadError("dropped")
        if fault == "slow":
            raise httpx.ReadTimeout("slow")
        if fault in ("503", "429"):
            return httpx.Response(int(fault))
        if fault == "empty":
            return httpx.Response(200)
        return self._read(path) if "/" in path else self._search(path, dict(request.url.params))

    def _read(self, path: str) -> httpx.Response:
        found = self.held.get(path)
        return httpx.Response(200, json=found) if found else httpx.Response(404)

    def _search(self, kind: str, params: dict[str, str]) -> httpx.Response:
        found = [r for r in self.of(kind) if self.ignore_search or _fits(r, params)]
        entries = [{"resource": resource} for resource in found]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entries})

    async def _create(self, request: httpx.Request, kind: str, ident: str | None = None) -> httpx.Response:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "drop":
            raise httpx.ReadError("dropped before commit")
        if fault in ("503", "500", "429", "400", "401", "412"):
            return httpx.Response(int(fault), headers={"Retry-After": "7"} if fault == "429" else {})
        if fault == "slow":
            raise httpx.ReadTimeout("slow")
        match = request.headers.get("if-none-exist")
        found = self._matching(kind, match) if match and fault != "ignore-if-none-exist" else []
        if len(found) > 1:
            return httpx.Response(412)
        if found:
            return self._created(kind, found[0]["id"], 200, fault)
        if ident and f"{kind}/{ident}" in self.held:
            return httpx.Response(412)
        ident = self._commit(kind, json.loads(request.content), fault, ident)
        if fault == "duplicate":
            self._commit(kind, json.loads(request.content), None, f"by-itself-{next(self.ids)}")
        if fault == "commit-then-drop":
            raise httpx.ReadError("dropped after commit")
        return self._created(kind, ident, 201, fault)

    def _matching(self, kind: str, query: str) -> list[dict[str, Any]]:
        return [r for r in self.of(kind) if _fits(r, dict(httpx.QueryParams(query)))]

    def _commit(self, kind: str, resource: dict[str, Any], fault: str | None, given: str | None = None) -> str:
        ident = given or f"ehr-{next(self.ids)}"
        meta = {**resource.get("meta", {}), "versionId": "1"}
        stored: dict[str, Any] = {**resource, "id": ident, "meta": meta}
        if fault == "reported-only":
            stored["reportedBoolean"] = True
        if fault == "wrong-dose":
            stored["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 500
        if fault and fault.startswith("drop:"):
            stored.pop(fault.removeprefix("drop:"), None)
        if self.binaries and kind == "DocumentReference":
            for content in stored["content"]:
                data = content["attachment"].pop("data")
                binary = {"resourceType": "Binary", "id": f"b-{next(self.ids)}", "data": data}
                self.put(binary)
                content["attachment"]["url"] = f"{BASE}/Binary/{binary['id']}"
        self.put(stored)
        return ident

    def _created(self, kind: str, ident: str, status: int, fault: str | None) -> httpx.Response:
        resource = self.held[f"{kind}/{ident}"]
        if fault == "empty":
            return httpx.Response(status)
        if fault == "no-location":
            return httpx.Response(status, json=resource)
        headers = {"Location": f"{BASE}/{kind}/{ident}/_history/1", "ETag": 'W/"1"'}
        return httpx.Response(status, headers=headers)


# What a draft is for: without it the chart closes drafting in the moment of a signature.
DEPRESSION: Final[dict[str, Any]] = {
    "resourceType": "Condition",
    "id": "depression",
    "subject": {"reference": "Patient/example"},
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}]},
}
_ALL = ("create", "read", "search-type", "update")
_SEARCHED = ("identifier", "patient", "status", "target")


def capability(undeclared: set[str], more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a CapabilityStatement that declares what a write-back needs and ``more``, but for ``undeclared``."""

    def one(kind: str) -> dict[str, Any]:
        return {
            "type": kind,
            "interaction": [{"code": code} for code in _ALL if f"{kind}: {code}" not in undeclared],
            "conditionalCreate": f"{kind}: conditionalCreate" not in undeclared,
            "updateCreate": f"{kind}: updateCreate" not in undeclared,
            "searchParam": [{"name": name} for name in _SEARCHED if f"{kind}: ?{name}" not in undeclared],
        }

    kinds = ("MedicationRequest", "Provenance", "DocumentReference", *more)
    rest = [{"mode": "server", "resource": [one(kind) for kind in kinds]}]
    return {"resourceType": "CapabilityStatement", "rest": rest}


def _fits(resource: dict[str, Any], params: dict[str, str]) -> bool:
    for name, wanted in params.items():
        if name == "identifier":
            system, _, value = wanted.rpartition("|")
            if {"system": system, "value": value} not in resource.get("identifier", []):
                return False
        if name == "status" and resource.get("status") not in wanted.split(","):
            return False
        if name == "patient" and _subject(resource).get("reference") != f"Patient/{wanted}":
            return False
        if name == "target" and wanted not in [t["reference"] for t in resource.get("target", [])]:
            return False
        if name == "practitioner" and resource.get("practitioner", {}).get("reference") != wanted:
            return False
    return True


def _subject(resource: dict[str, Any]) -> dict[str, Any]:
    return resource.get("subject") or resource.get("patient") or {}


def ehr_settings(**more: Any) -> Ehr:
    """Return the tenant that signs and writes."""
    known = {"id": "north", "name": "North", "fhir_base": BASE, "write_back": "sign-and-write"}
    return Ehr.model_validate({**known, **more})


def user_token(who: str | None = "Practitioner/p1", *, key: ECKey = USER_KEY, **changes: Any) -> str:
    """Return an access token of the EHR's user; a change to None takes a claim away."""
    now = int(time.time())
    times = {"iat": now, "exp": now + 300, "auth_time": now}
    claims = {"iss": BASE, "aud": BASE, "sub": "user-1", **times, "fhirUser": who}
    known = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    header = {"alg": "ES384", "kid": key.kid}
    return jwt.encode(header, known, key, algorithms=["ES384"])


def services_of(store: SqliteStore, *ehrs: tuple[Ehr, FakeEhr]) -> Services:
    """Return the services that signing needs, each client talking to its fake EHR."""
    tenants = tuple(ehr for ehr, _ in ehrs)
    settings = Settings(server=Server(public_url=PUBLIC_URL), ehr=tenants)
    clients = {ehr.id: EhrClient(ehr, SIGNER, settings) for ehr in tenants}
    for ehr, fake in ehrs:
        transport = clients[ehr.id]._transport
        transport._http = httpx.AsyncClient(transport=httpx.MockTransport(fake))
        fake.granted = partial(_scopes, clients[ehr.id])
    absent: Any = None
    return Services(
        settings=settings,
        store=store,
        signer=SIGNER,
        sealer=absent,
        knowledge=knowledge.load(),
        model=None,
        profiles={ehr.id: profile.load("base-r4") for ehr in tenants},
        clients=clients,
        keys={},
        limits={},
        device={},
        clock=lambda: datetime.now(UTC),
    )


def _scopes(client: EhrClient) -> str:
    return modes.SCOPES[client.ehr.write_back]


def application(services: Services) -> FastAPI:
    """Return the FHIR routes inside the service's own error boundary."""
    app = FastAPI()
    app.state.services = services
    for error in HANDLED:
        app.add_exception_handler(error, on_error)
    app.include_router(router)
    app.add_middleware(Boundary, settings=services.settings)
    return app


@dataclass
class World:
    """A store, an EHR and the service between them."""

    store: SqliteStore
    ehr: FakeEhr
    services: Services
    http: httpx.AsyncClient
    facts: Any = field(default_factory=count)

    async def hold(self, **context: Any) -> Draft:
        """Hold one draft of new facts that needs one acknowledgement; it supersedes an unsigned one."""
        known = {"acknowledge": ["watch sodium"], "dose": samples.DOSE}
        draft = NewDraft("sertraline", 0, dumps(samples.resource()), dumps({**known, **context}))
        held = await self.store.hold(
            "north", "Patient/example", f"facts-{next(self.facts)}", [draft], 3600, "Device/undersign"
        )
        return held[0]

    async def hold_drug(self, ingredient: str) -> Draft:
        """Hold one draft of another drug, as if its row had been another when it was held."""
        draft = NewDraft(ingredient, 0, dumps(samples.resource()), dumps({"acknowledge": []}))
        held = await self.store.hold("north", "Patient/example", ingredient, [draft], 3600, "Device/undersign")
        return held[0]

    async def slip_in(self, draft: Draft) -> str:
        """Keep bytes as shown without asking the service, and return their digest."""
        shown = replace(samples.prepared_bytes(draft), acknowledgements=())
        await self.store.prepare(draft.id, draft.version, shown, None)
        return shown.digest

    async def post(
        self, draft: str, operation: str, *parameters: dict[str, Any], token: str | None = None
    ) -> httpx.Response:
        """Call an operation as a practitioner."""
        body = {"resourceType": "Parameters", "parameter": list(parameters)}
        return await self.http.post(f"/fhir/MedicationRequest/{draft}/${operation}", json=body, headers=bearer(token))

    async def get(self, path: str, token: str | None = None) -> httpx.Response:
        """Read as a practitioner."""
        return await self.http.get(path, headers=bearer(token))

    async def prepared(self, draft: str, token: str | None = None) -> list[dict[str, Any]]:
        """Prepare a draft and return the parameters of the signature over it."""
        answer = await self.post(draft, "prepare", token=token)
        assert answer.status_code == 200, answer.text
        kept = ("version", "digest", "acknowledgement")
        return [p for p in answer.json()["parameter"] if p["name"] in kept]

    async def signed(self) -> Draft:
        """Hold, prepare and sign a draft."""
        draft = await self.hold()
        answer = await self.post(draft.id, "sign", *await self.prepared(draft.id))
        assert answer.status_code == 200, answer.text
        return draft


def bearer(token: str | None) -> dict[str, str]:
    """Return the header of a request by p1, or with the given token."""
    return {"Authorization": f"Bearer {token or user_token()}"}


@asynccontextmanager
async def world(
    path: Path, clock: Callable[[], datetime] | None = None, kept: AnyStore | None = None, **tenant: Any
) -> AsyncGenerator[World]:
    """Open a store, a new SQLite one unless one is ``kept``, and give the service over it.

    The EHR has p1 as prescriber, and gives the patient of the drafts to everybody.
    """
    new = SqliteStore(path / "drafts.db") if clock is None else SqliteStore(path / "drafts.db", clock)
    store: Any = kept or new
    fake = FakeEhr()
    fake.prescriber("p1")
    fake.put({"resourceType": "Patient", "id": "example"})
    fake.put(DEPRESSION)
    await store.open()
    services = services_of(store, (ehr_settings(**tenant), fake))
    transport = httpx.ASGITransport(app=application(services))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
            yield World(store, fake, services, http)
    finally:
        for client in services.clients.values():
            await client.close()
        await store.close()
