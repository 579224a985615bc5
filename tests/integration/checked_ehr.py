"""An EHR under check: the reference EHR in memory, in any dialect, with any of its faults."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from joserfc.jwk import ECKey

from conformance import runner
from conformance.checks import Result
from conformance.exchanges import Asked, Exchange, Sender
from conformance.reference_ehr import faults
from conformance.reference_ehr.clients import Client
from conformance.reference_ehr.discovery import CREATABLE
from conformance.reference_ehr.ehr import build
from conformance.reference_ehr.server import create_app
from conformance.session import Session
from conformance.suites.ehr import SUITE, afterwards
from conformance.suites.ehr.backend import Backend
from conformance.suites.ehr.probe import Access, Probe

ROOT = "http://127.0.0.1:18930"
BASE = f"{ROOT}/fhir"
NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
KEY = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
BACKEND = Backend("conformance", KEY, "ES384")
PEOPLE = ("amara-osei", "daniel-okafor", "george-papadakis", "ingrid-novak", "jonas-weber")
WRITE = "rosa-martins"
SCOPES = ("system/*.rs", *(f"system/{name}.crus" for name in CREATABLE))


class InMemory:
    """Sends to the reference EHR in memory; every answer took a millisecond, or what the fault says."""

    def __init__(self, dialect: str = "base-r4", *switched: str, clock: Callable[[], datetime] = lambda: NOW) -> None:
        client = Client(BACKEND.id, SCOPES, jwks={"keys": [KEY.as_dict(private=False)]})
        ehr = build(ROOT, clients=(client,), clock=clock, dialect=dialect)
        app = faults.switched(create_app(ehr), ehr, faults.parse(switched))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ROOT)  # pyright: ignore[reportArgumentType]

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Send one request."""
        answer = await self._client.request(
            asked.method, asked.url, headers=dict(asked.headers), content=asked.body or None
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        headers.setdefault("date", "Sun, 22 Nov 2026 10:42:03 GMT")
        took = float(headers.get("x-took-ms", "1"))
        started = "2026-11-22T10:42:00.000+00:00"
        return Exchange(number, asked, started, took, answer.status_code, headers, answer.content)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


async def _no_sleep(_: float) -> None:
    """Wait for nothing."""


def judged(
    sender: Sender,
    *only: str,
    profile: str = "base-r4",
    people: Sequence[str] = PEOPLE,
    backwards: bool = False,
    **access: Any,
) -> tuple[runner.Run, Probe]:
    """Run checks of the suite, the last first when ``backwards``, and return the run with its probe."""
    known: dict[str, Any] = {"backend": BACKEND, **access}
    about = {"suite": "ehr", "target": BASE, "started": NOW.isoformat(), "seed": "s", "only": list(only)}

    async def story() -> tuple[runner.Run, Probe]:
        session = Session(BASE, sender, budget=2000, sleep=_no_sleep)
        probe = Probe(session, NOW, "s", Access(tuple(people), profile, **known), lambda: NOW)
        checks = list(runner.chosen(SUITE, only=only, write=bool(access.get("write"))))
        ordered = list(reversed(checks)) if backwards else checks
        run = await runner.run(SUITE, probe, ordered, about, today=NOW.date())
        await afterwards.finish(probe)
        await session.close()
        return run, probe

    return asyncio.run(story())


def result(sender: Sender, check: str, **more: Any) -> Result:
    """Return what one check says."""
    (found,) = [one for one in judged(sender, check, **more)[0].results if one.check.id == check]
    return found
