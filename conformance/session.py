"""The requests of one run: counted against a budget, polite, each of them kept as evidence."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from conformance.checks import Broken, Untested
from conformance.exchanges import NOT_RECORDED, Asked, Exchange, Headers, Sender

T = TypeVar("T")

_BUSY = frozenset({429, 503})
_FAILING = 500
_LONGEST_WAIT_S = 10.0
_LOCKED_OUT = 3  # answers in a row that say "too many": the next one may lock an account
_AGAIN_S = 0.3  # a server that fails now and then is asked for the same once more
_IN_VAIN = 3  # second attempts in a row that failed too: it does not fail by chance

_REACH = "see that the address is right and that this machine reaches it: name, port, proxy, firewall, certificate"
_RECORD = "make the recording anew with this version: another one asks in another way"
_DROPPED = "look at the log of the server, and of any proxy before it, for this one request; then run the check alone"


class Session:
    """Sends a run's requests to one ``base`` (without a final slash) and keeps what came back.

    ``token`` is sent to ``base``'s own origin only. After ``budget`` requests, or when the server has asked three
    times in a row to stop, every further check is not tested, and says so.
    """

    def __init__(
        self,
        base: str,
        sender: Sender,
        *,
        budget: int,
        told: Callable[[Exchange], None] = lambda _: None,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self.base = base.rstrip("/")
        self.token: str | None = None
        self.exchanges: list[Exchange] = []
        self._sender, self._budget, self._told, self._sleep = sender, budget, told, sleep
        self._refused_in_a_row = 0
        self._in_vain = 0
        self._known: dict[str, asyncio.Task[Any]] = {}

    async def get(self, path: str, headers: Headers | None = None) -> Exchange:
        """Read a path below the base, or an absolute address."""
        return await self.send("GET", path, headers=headers)

    async def send(
        self, method: str, path: str, *, headers: Headers | None = None, body: bytes = b"", token: bool = True
    ) -> Exchange:
        """Send one request, waiting once where the server says how long; a read that fails is sent once more.

        Raises Broken where no answer came, Untested where the budget is spent or the server wants no more.
        """
        asked = self._asked(method, path, headers or {}, body, token)
        found = await self._once(asked)
        if found.status in _BUSY and (wait := _seconds(found.header("retry-after"))) is not None:
            await self._sleep(min(wait, _LONGEST_WAIT_S))
            found = await self._once(asked)
        elif found.status >= _FAILING and _reads(asked) and self._in_vain < _IN_VAIN:
            await self._sleep(_AGAIN_S)
            found = await self._once(asked)
            self._in_vain = self._in_vain + 1 if found.status >= _FAILING else 0
        if found.error:
            raise self._unanswered(found)
        return found

    async def try_send(self, method: str, path: str, **more: Any) -> Exchange:
        """Send one request as ``send``, but give back an exchange with ``error`` where no answer came."""
        try:
            return await self.send(method, path, **more)
        except Broken as broken:
            return self.exchanges[broken.exchanges[0] - 1]

    def _unanswered(self, found: Exchange) -> Broken:
        """Return what an exchange without an answer means: a server that answers others has dropped this one."""
        said = f"{found.asked.method} {_shown(found.asked.url)}: {found.error}"
        if found.error == NOT_RECORDED:
            return Broken(said, "integration-engineer", (found.number,), _RECORD)
        answered = not found.unreached and any(one.status for one in self.exchanges)
        if answered:
            return Broken(f"{said}, while other requests of this run are answered", None, (found.number,), _DROPPED)
        return Broken(said, "network", (found.number,), _REACH)

    async def once(self, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``ask`` found the first time that anybody asked for ``name``: a fact of this run.

        What it raised is raised to everybody who asks for it.
        """
        if name not in self._known:
            self._known[name] = asyncio.ensure_future(ask())
        return await asyncio.shield(self._known[name])

    def found(self, name: str) -> Any:
        """Return a fact that was asked for by ``once``; None where nobody asked, or where it could not be had."""
        task = self._known.get(name)
        failed = task is None or not task.done() or task.cancelled() or task.exception() is not None
        return None if task is None or failed else task.result()

    async def wait(self, seconds: float) -> None:
        """Wait before asking again, as long as a server said."""
        await self._sleep(seconds)

    def allow(self, more: int) -> None:
        """Raise what is left of the budget to at least so many requests: what was written has to be taken back."""
        self._budget = max(self._budget, len(self.exchanges) + more)

    async def close(self) -> None:
        """Give back the connection."""
        for task in self._known.values():
            task.cancel()
        await asyncio.gather(*self._known.values(), return_exceptions=True)
        await self._sender.close()

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes, token: bool) -> Asked:
        url = path if path.startswith(("http://", "https://")) else urljoin(f"{self.base}/", path.lstrip("/"))
        sent = {"accept": "application/fhir+json", **{name.lower(): value for name, value in headers.items()}}
        if token and self.token and "authorization" not in sent and _origin(url) == _origin(self.base):
            sent["authorization"] = f"Bearer {self.token}"
        return Asked(method, url, sent, body)

    async def _once(self, asked: Asked) -> Exchange:
        if len(self.exchanges) >= self._budget:
            raise Untested(f"the budget of {self._budget} requests is spent; raise it with --requests")
        if self.exchanges and all(one.unreached for one in self.exchanges):
            raise Untested("nothing was asked of a server that cannot be reached: see the first request", (1,))
        if self._refused_in_a_row >= _LOCKED_OUT:
            raise Untested("the server answered 429 or 423 three times in a row, so no more was asked")
        found = await self._sender.send(asked, len(self.exchanges) + 1)
        self.exchanges.append(found)
        self._refused_in_a_row = self._refused_in_a_row + 1 if found.status in (423, 429) else 0
        self._told(found)
        return found


def _reads(asked: Asked) -> bool:
    return asked.method == "GET" or asked.url.endswith("/_search")


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _shown(url: str) -> str:
    """Return the path of an address, without its query: that may name a patient."""
    return urlsplit(url).path or "/"
