"""The state of a listening run: what came, what it was answered with, and what the EHR itself says to the same query.

Requests are answered at once; what is read back from the EHR comes after, one request at a time, with the token of the
call and from the one FHIR base that was named.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conformance.exchanges import Asked, Exchange
from conformance.listening import answers, tokens
from conformance.listening.answers import Answer
from conformance.listening.plan import Plan, Step
from conformance.listening.reading_back import Reader
from conformance.session import Session
from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json

Gone = Callable[[], Coroutine[Any, Any, None]]
Sleep = Callable[[float], Coroutine[Any, Any, None]]
_KEPT = ("host", "content-type", "accept", "origin", "user-agent", "x-forwarded-proto", "authorization")
_FIRST = 2  # cards of a service before its trials: there has to be something to use
_NOTHING = Answer(0, {}, b"")


@dataclass(slots=True)
class _Came:
    """A request that came: ``call`` counts them from 0."""

    call: int
    at: datetime
    asked: Asked
    body: dict[str, Any]
    seen: dict[str, Any] = field(default_factory=dict[str, Any])
    answer: Answer = _NOTHING
    ended: datetime | None = None


class Listener:
    """Takes requests and keeps them. ``told`` hears of each when it was answered."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        *,
        told: Callable[[Exchange], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.plan = plan
        self._reader, self._told, self._clock, self._sleep = Reader(plan, session), told, clock, sleep
        self._came: list[_Came] = []
        self._left: list[Step] = list(plan.steps)
        self._by_instance: dict[str, Step] = {}
        self._cards: Counter[str] = Counter()  # given by service
        self._behind: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Lock()

    @property
    def calls(self) -> int:
        """How many hook calls were answered."""
        return sum(one.ended is not None and _service(one.asked) != "" for one in self._came)

    @property
    def latest(self) -> datetime | None:
        """When the last request came."""
        return self._came[-1].at if self._came else None

    async def take(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes, gone: Gone) -> Answer:
        """Answer one request; what ``gone`` makes ends when the client has hung up."""
        came = self._arrived(method, path, headers, body)
        answer = self._answer(came, path)
        try:
            await self._wait(came, answer.after_s, gone)
        except asyncio.CancelledError:
            self._dropped(came)
            raise
        finally:
            came.ended = self._clock()
            came.answer = answer
            self._told(self._exchange(came))
        self._follow(came, [value for name, value in headers if name == "authorization"])
        return answer

    async def finish(self) -> None:
        """Wait for what is still read back."""
        while self._behind:
            await asyncio.gather(*self._behind, return_exceptions=True)

    def exchanges(self) -> tuple[Exchange, ...]:
        """Return everything that was sent either way, numbered in the order in which it began."""
        incoming = [self._exchange(one) for one in self._came if one.ended is not None]
        ordered = sorted([*incoming, *self._reader.exchanges()], key=lambda one: one.started)
        return tuple(replace(one, number=number) for number, one in enumerate(ordered, 1))

    def _arrived(self, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> _Came:
        kept = {name: value for name, value in headers if name in _KEPT}
        asked = Asked(method, f"{self.plan.public_url}{path}", kept, body)
        came = _Came(len(self._came), self._clock(), asked, _object(body))
        came.seen = {"call": came.call, "token": tokens.facts([v for n, v in headers if n == "authorization"])}
        if body and (problem := _json_problem(body)):
            came.seen["json"] = problem
        self._came.append(came)
        return came

    def _answer(self, came: _Came, path: str) -> Answer:
        parts = urlsplit(path).path.rstrip("/")
        if came.asked.method == "OPTIONS":
            return Answer(204, {}, b"")
        if came.asked.method == "GET":
            return self._page(parts)
        service = parts.removeprefix("/cds-services/").removesuffix("/feedback")
        if came.asked.method != "POST" or service not in answers.SERVICES:
            return answers.refused(404, "not-found", "there is no such CDS service; GET /cds-services lists them")
        if parts.endswith("/feedback"):
            return Answer(200, {}, b"")
        if not came.body:
            return answers.refused(400, "structure", "the body is no JSON object")
        step = self._step(service, str(came.body.get("hookInstance")))
        came.seen["step"] = step
        if step == "late":
            came.seen["late_s"] = self.plan.slow_s
        return answers.to_call(step, self.plan.public_url, self.plan.slow_s)

    @staticmethod
    def _page(path: str) -> Answer:
        if path == "/cds-services":
            return answers.discovery()
        if path == answers.SHOWN:
            return answers.plain("The link of the card works. You can close this page.")
        if path == "":
            return answers.plain("A conformance run listens here. Enter this address as a CDS service.")
        return answers.refused(404, "not-found", "nothing is here; GET /cds-services lists the services")

    def _step(self, service: str, instance: str) -> Step:
        """Give each new call the next trial; a repeat gets its card, or the refusal that stands."""
        before = self._by_instance.get(instance)
        if before is not None:
            return before if before in ("precondition", "error", "empty") else "card"
        step: Step = "card"
        if self._cards[service] >= _FIRST and self._left:
            step = self._left.pop(0)
        self._cards[service] += step == "card"
        self._by_instance[instance] = step
        return step

    async def _wait(self, came: _Came, seconds: float, gone: Gone) -> None:
        if not seconds:
            await self._sleep(0)
            return
        waiting = asyncio.ensure_future(self._sleep(seconds))
        leaving = asyncio.ensure_future(gone())
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self._dropped(came)
        finally:
            waiting.cancel()
            leaving.cancel()

    def _dropped(self, came: _Came) -> None:
        came.seen["dropped_ms"] = round((self._clock() - came.at).total_seconds() * 1000)

    def _exchange(self, came: _Came) -> Exchange:
        took = ((came.ended or came.at) - came.at).total_seconds() * 1000
        started = came.at.isoformat(timespec="milliseconds")
        answer = came.answer
        return Exchange(
            came.call + 1, came.asked, started, took, answer.status, answer.headers, answer.body, seen=came.seen
        )

    def _follow(self, came: _Came, authorization: Sequence[str]) -> None:
        """Read back behind the answer: a call must not wait for it."""
        if came.asked.method != "POST":
            return
        task = asyncio.ensure_future(self._read_back(came, authorization))
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def _read_back(self, came: _Came, authorization: Sequence[str]) -> None:
        async with self._reading:
            told = came.seen["token"]
            if authorization and "problem" not in told:
                told["signature"] = await self._reader.signature(came.call, told, authorization[0])
            if "step" in came.seen:
                await self._reader.compare(came.call, _service(came.asked), came.body)


def _service(asked: Asked) -> str:
    """Return the id of the service that a hook call is for, empty for anything else."""
    last = urlsplit(asked.url).path.rpartition("/cds-services/")[2]
    return last if asked.method == "POST" and last in answers.SERVICES else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _json_problem(body: bytes) -> str:
    try:
        strict_json.check(body)
    except InputError as error:
        return error.code
    return ""
