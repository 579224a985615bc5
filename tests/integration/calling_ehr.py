"""An EHR that calls: the reference EHR and the listener in one memory, with a clock that only they move."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from conformance import runner
from conformance.checks import Result
from conformance.exchanges import Asked, Exchange
from conformance.listening.app import application
from conformance.listening.listener import Listener
from conformance.listening.plan import Plan
from conformance.reference_ehr import faults, rounds
from conformance.reference_ehr.ehr import build
from conformance.reference_ehr.server import create_app
from conformance.session import Session
from conformance.suites.cds_client import SUITE
from conformance.suites.cds_client.probe import Probe

EHR, SERVICE = "http://127.0.0.1:18930", "http://127.0.0.1:18931"
NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
PLAN = Plan(SERVICE, fhir_base=f"{EHR}/fhir", issuer=f"{EHR}/fhir")
ATTESTED = dict.fromkeys(("card.shown", "card.markdown", "card.suggestions", "card.reasons", "card.link"), "y")


class Clock:
    """A millisecond passes whenever somebody looks, and as much as is slept."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        self.now += timedelta(milliseconds=1)
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and everybody else go on."""
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class _Later(httpx.AsyncBaseTransport):
    """Carries requests to an application that is made after its client: each of the two knows the other."""

    app: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hand one request over."""
        return await httpx.ASGITransport(self.app).handle_async_request(request)


class _ToEhr:
    """Sends what the listener asks to the EHR."""

    def __init__(self, app: Any, clock: Clock) -> None:
        self._clock = clock
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=EHR)

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Send one request."""
        started = self._clock().isoformat(timespec="milliseconds")
        answer = await self._client.request(asked.method, asked.url, headers=dict(asked.headers))
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Exchange(number, asked, started, 1.0, answer.status_code, headers, answer.content)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


def heard(
    *habits: str, plan: Plan = PLAN, times: int = 0, dialect: str = "base-r4", endless: bool = False
) -> tuple[Exchange, ...]:
    """Return what came and was asked in a round of the EHR with these faults.

    ``times``: how often a chart is opened again; ``endless``: a late answer never comes.
    """

    async def story() -> tuple[Exchange, ...]:
        clock = Clock()

        async def sleep(seconds: float) -> None:
            await (asyncio.sleep(3600) if endless and seconds else clock.sleep(seconds))

        later = _Later()
        service = httpx.AsyncClient(transport=later)
        ehr = build(
            EHR, SERVICE, http=service, clock=clock, dialect=dialect, habits=faults.habits(habits), sleep=clock.sleep
        )
        session = Session(plan.fhir_base or SERVICE, _ToEhr(create_app(ehr), clock), budget=500, sleep=clock.sleep)
        listener = Listener(plan, session, clock=clock, sleep=sleep)
        later.app = application(listener)
        await rounds.play(ehr, times)
        await listener.finish()
        await session.close()
        await service.aclose()
        return listener.exchanges()

    return asyncio.run(story())


def judged(
    recorded: Sequence[Exchange], *only: str, plan: Plan = PLAN, backwards: bool = False, **more: Any
) -> tuple[runner.Run, Probe]:
    """Judge a recording, the last check first when ``backwards``; ``more`` are options beside the plan's."""
    options = {**plan.options(), "attested": ATTESTED, **more}
    about = {"suite": "cds-client", "target": SERVICE, "started": NOW.isoformat(), "options": options}

    async def story() -> tuple[runner.Run, Probe]:
        session = Session(SERVICE, _ToEhr(None, Clock()), budget=0)
        probe = Probe(session, options, recorded)
        checks = list(runner.chosen(SUITE, only=only))
        run = await runner.run(SUITE, probe, checks[::-1] if backwards else checks, about, today=NOW.date())
        return run, probe

    return asyncio.run(story())


def result(recorded: Sequence[Exchange], check: str, **more: Any) -> Result:
    """Return what one check says of a recording."""
    (found,) = judged(recorded, check, **more)[0].results
    return found
