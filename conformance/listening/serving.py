"""Listening on a port until enough came, the time is over, or somebody presses Ctrl-C."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvicorn

from conformance.errors import CheckError
from conformance.exchanges import Exchange, Live
from conformance.listening.app import application
from conformance.listening.listener import Listener
from conformance.listening.plan import Plan
from conformance.listening.telling import Telling
from conformance.session import Session

_QUIET = timedelta(seconds=3)  # after the last call that was asked for, feedback may still come
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Heard:
    """Where to listen and for how long; ``calls`` 0 for as many as come. ``budget``: requests to the EHR."""

    host: str
    port: int
    minutes: float
    calls: int
    budget: int


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave Ctrl-C to the run: it ends the listening, not the program."""
        yield


def listen(plan: Plan, heard: Heard, telling: Telling) -> tuple[Exchange, ...]:
    """Return everything that came and was asked. CheckError U-CHECK-LISTEN where the port cannot be had."""
    return asyncio.run(_listen(plan, heard, telling))


async def _listen(plan: Plan, heard: Heard, telling: Telling) -> tuple[Exchange, ...]:
    held = _bound(heard)
    session = Session(plan.fhir_base or plan.public_url, Live(), budget=heard.budget)
    listener = Listener(plan, session, told=telling.came)
    config = uvicorn.Config(application(listener), log_level="critical", access_log=False, lifespan="off")
    server = _Server(config)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, over.set)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    telling.begin(plan, heard.minutes, heard.calls)
    serving = asyncio.ensure_future(server.serve(sockets=[held]))
    try:
        await _until_over(listener, heard, over)
        await listener.finish()
    finally:
        server.should_exit = True
        await serving
        await session.close()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
    telling.end(listener.calls)
    return listener.exchanges()


async def _until_over(listener: Listener, heard: Heard, over: asyncio.Event) -> None:
    end = datetime.now(UTC) + timedelta(minutes=heard.minutes)
    while not over.is_set() and datetime.now(UTC) < end:
        latest = listener.latest
        quiet = latest is not None and datetime.now(UTC) - latest > _QUIET
        if heard.calls and listener.calls >= heard.calls and quiet:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _LOOK_S)


def _bound(heard: Heard) -> socket.socket:
    family = socket.AF_INET6 if ":" in heard.host else socket.AF_INET
    try:
        return socket.create_server((heard.host, heard.port), family=family)
    except (OSError, OverflowError) as error:
        said = f"nothing can listen at {heard.host}:{heard.port}; is it taken? Give another --listen HOST:PORT"
        raise CheckError("U-CHECK-LISTEN", said) from error
