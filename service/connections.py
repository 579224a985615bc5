"""One connection of the HTTP server: the head of a request is bounded in bytes and in time.

uvicorn bounds neither, and what is without a head has reached nobody who could refuse it: a caller without any token
could take all memory with one line that never ends, or all connections with heads that never do.
"""

import asyncio
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import telemetry
from service.errors import BadRequest, ServiceError, operation_outcome

HEAD_BYTES: Final = 65_536  # an 8 kB token beside what proxies add


class Bounded(HttpToolsProtocol):
    """A connection that is closed where a head is too long, comes too slowly, or is no HTTP.

    ``patience_s`` is how long a head may take, from the connection on for the first one: ``server.read_timeout_s``.
    """

    patience_s: float = 5.0
    _deadline: TimerHandle | None = None
    _head_bytes: int | None = None  # of a head that has begun and not ended

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as a head is within its bounds."""
        begun = self._head_bytes
        super().data_received(data)
        if self._head_bytes is None or self.transport.is_closing():
            return
        # Where a head begins in this chunk, what is before it was a body; its end then counts all of it.
        self._head_bytes = 0 if begun is None else begun + len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse_size()
        elif self._deadline is None:
            self._wait()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended: whoever answers bounds the rest."""
        self._head_bytes = None
        self._wait_no_more()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse_size()
            raise httptools.HttpParserCallbackError  # ends the reading of this connection
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP as everything else is refused."""
        if not self.transport.is_closing():
            self._refuse(400, "U-HTTP-SYNTAX", "the request is no HTTP/1.1 that can be read")

    def _refuse_size(self) -> None:
        self._refuse(431, "U-HTTP-HEAD-SIZE", f"the head of the request is larger than {HEAD_BYTES} bytes")

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self.patience_s, self._give_up)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._head_bytes is None:  # a browser may open a connection beforehand and never use it
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse(408, "U-HTTP-HEAD-TIMEOUT", "the head of the request did not arrive in time; send it again")

    def _refuse(self, status: int, code: str, message: str) -> None:
        telemetry.ERRORS.labels(code).inc()
        self._wait_no_more()
        answering = self.cycle and self.cycle.response_started and not self.cycle.response_complete
        if not answering:  # into the middle of an answer nothing is written
            self.transport.write(_answer(status, BadRequest(code, message)))
        self.transport.close()


def _answer(status: int, error: ServiceError) -> bytes:
    body = msgspec.json.encode(operation_outcome(error))
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/fhir+json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
