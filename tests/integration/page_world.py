"""The service as in production, with the reference EHR behind it in the same process, and one browser."""

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from starlette.testclient import TestClient

from conformance.reference_ehr import ehr as reference_ehr
from conformance.reference_ehr import server
from conformance.reference_ehr.oauth_facts import Redirect
from service.app import create_app
from service.bootstrap import Services
from service.drafts.records import Draft
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings

PUBLIC = "https://undersign.example"
EHR_ROOT = "https://ehr.example"
ISS = f"{EHR_ROOT}/fhir"
PSYCHIATRIST, NURSE = "dr-lindqvist", "nurse-ortiz"
# Synthetic people of the reference EHR with drafts: a switch that must be acknowledged, and a first drug.
AMARA, JONAS = "amara-osei", "jonas-weber"


@dataclass
class World:
    """Both programs, and a browser whose cookies are ``client.cookies``."""

    client: TestClient
    services: Services
    ehr: reference_ehr.ReferenceEhr

    def hold(self, patient: str) -> list[Draft]:
        """Open a chart in the EHR, so that the service holds drafts; returns them in rank order."""
        self.call(self.ehr.cds.patient_view, PSYCHIATRIST, patient)
        found = self.call(lambda: self.services.store.find(patient=f"Patient/{patient}"))
        return sorted(found, key=lambda draft: draft.rank)

    def call(self, act: Any, *arguments: Any) -> Any:
        """Run a coroutine function in the application's loop."""
        assert self.client.portal is not None
        return self.client.portal.call(act, *arguments)

    def get(self, path: str, **headers: str) -> Any:
        """Open an address."""
        return self.client.get(path, headers=headers)

    def begin(self, **query: str) -> dict[str, str]:
        """Start a launch and return the query with which the browser is sent to the EHR."""
        answer = self.client.get("/launch", params=query)
        assert answer.status_code == 303, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def authorize(self, query: Mapping[str, str], user: str = PSYCHIATRIST) -> str:
        """Choose a user at the EHR and return the address that it sends the browser back to."""
        answer = self.ehr.authorization.authorize({**query, "login_hint": user})
        assert isinstance(answer, Redirect)
        return answer.url.removeprefix(PUBLIC)

    def sign_in(self, draft: str | None = None, user: str = PSYCHIATRIST) -> Any:
        """Launch from a card's link and finish the sign-in; returns the callback's answer.

        Where the draft's page asks for a choice of the clinician's own first, that it is not made yet is said.
        """
        query = {"ehr": "reference"} | ({"draft": draft} if draft else {})
        answer = self.get(self.authorize(self.begin(**query), user))
        if draft and 'name="own"' in self.get(f"/review/{draft}").text:
            self.post(f"/review/{draft}/own", self.csrf(f"/review/{draft}"), own="undecided")
        return answer

    def launch(self, patient: str, user: str = PSYCHIATRIST, app_context: str | None = None) -> Any:
        """Launch from the EHR with a patient in context, from a card's link with ``app_context``."""
        address = self.ehr.authorization.launch("undersign", patient, user, app_context)
        return self.get(self.authorize(self.begin(**dict(parse_qsl(urlsplit(address).query))), user))

    def post(self, path: str, csrf: str | None = None, origin: str | None = PUBLIC, **form: Any) -> Any:
        """Send a form as the page would."""
        fields = form if csrf is None else {"csrf": csrf, **form}
        return self.client.post(path, data=fields, headers={} if origin is None else {"origin": origin})

    def csrf(self, path: str) -> str:
        """Return the anti-forgery token of a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found
        return found[1]

    def state(self, draft: str) -> str:
        """Return a draft's state."""
        return self.call(self.services.store.read, draft).state


def settings(folder: Path, keys: Mapping[str, Any], **more: Any) -> Settings:
    """Return settings of two tenants over https; only the first one's EHR answers."""
    jwks = folder / "ehr-jwks.json"
    jwks.write_text(json.dumps(keys), encoding="utf-8")
    client = CdsClient(issuer=ISS, jwks_file=jwks, audiences=(f"{PUBLIC}/cds-services/psychotropic-options",))
    tenant: dict[str, Any] = {"write_back": "sign-and-write", "cds_client": client, **more}
    return Settings(
        server=Server(public_url=PUBLIC),
        store=StoreSettings(url=f"sqlite:///{folder}/undersign.db"),
        sign=Sign(key_file=folder / "key.json"),
        ehr=(
            Ehr(id="reference", name="Reference", fhir_base=ISS, origins=(EHR_ROOT,), profile="us-core-r4", **tenant),
            Ehr(id="south", name="South", fhir_base="https://south.example/fhir", **tenant),
        ),
    )


@contextmanager
def world(folder: Path, **more: Any) -> Generator[World]:
    """Serve both, their tenants with ``more`` settings; nothing leaves the process."""
    reaches_service, reaches_ehr = _Later(), _Later()
    ehr = reference_ehr.build(EHR_ROOT, PUBLIC, http=httpx.AsyncClient(transport=reaches_service))
    reaches_ehr.app = httpx.ASGITransport(server.create_app(ehr))
    app = create_app(settings(folder, ehr.keys.jwks(), **more))
    reaches_service.app = httpx.ASGITransport(app)
    services: Services = app.state.services
    for client in services.clients.values():
        client._transport._http = httpx.AsyncClient(transport=reaches_ehr)
    with TestClient(app, base_url=PUBLIC, follow_redirects=False, raise_server_exceptions=False) as client:
        yield World(client, services, ehr)


class _Later(httpx.AsyncBaseTransport):
    """A transport to an application that is made after its client; only the reference hosts are there."""

    app: httpx.AsyncBaseTransport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if f"{request.url.scheme}://{request.url.host}" not in (PUBLIC, EHR_ROOT):
            raise httpx.ConnectError("nobody is there")
        return await self.app.handle_async_request(request)
