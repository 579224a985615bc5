"""Which server answers: nothing is asked of another one than before until that has been held against the receipts.

Behind the same address there may be another server after a failover, or the same one started again with less. A new
connection asks for its ``run_id``; while that is not known, only the check itself goes through, and all else waits.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from redis.exceptions import ConnectionError as NotConnected

# Set in what the check asks: it does not wait for itself.
CHECKING: Final = ContextVar("checking", default=False)
_RUN_ID: Final = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


class Answering:
    """Knows the server that was last found to have all that was acknowledged here, and when that is in doubt."""

    def __init__(self) -> None:
        # What is done before anything is asked of a server in doubt.
        self.check: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.doubts = 0
        self._settled = True
        self._known = ""
        self._checking: asyncio.Task[None] | None = None

    async def connected(self, connection: Any) -> None:
        """Greet a new connection (redis-py's ``redis_connect_func``); ConnectionError while the server is in doubt."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        found = _RUN_ID.search(await connection.read_response())
        if self._known and (found is None or found[1].decode() not in self._known):
            self.doubt()
        if not self._settled and not CHECKING.get():
            raise NotConnected("another server answers")

    def doubt(self) -> None:
        """Say that another server may answer: a connection broke, or a new one leads elsewhere."""
        self.doubts += 1
        self._settled = False

    def expect(self, identity: str) -> int:
        """Take the server that is being checked for the one that answers; returns how often there was doubt so far."""
        self._known = identity
        return self.doubts

    def settle(self) -> None:
        """End all doubt: the server that answers has all that was acknowledged here."""
        self._settled = True

    async def settled(self) -> None:
        """Wait until the server that answers has been checked, where there is doubt: one check for all who wait."""
        if self._settled or self.check is None or CHECKING.get():
            return
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self.check())
        await asyncio.shield(self._checking)
