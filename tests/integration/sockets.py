"""Real sockets for tests of what is fetched: a canary that must get nothing, and an EHR that answers as told."""

import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any


@dataclass
class Canary:
    """A listening socket and what came to it."""

    port: int
    came: list[int] = field(default_factory=list[int])
    ended: set[int] = field(default_factory=set[int])
    bytes_of: dict[int, bytes] = field(default_factory=dict[int, bytes])
    own: set[int] = field(default_factory=set[int])
    closed: bool = False

    def settle(self) -> None:
        """Return when whoever came until now is counted and over: a connection of our own comes after them."""
        if self.closed:
            return
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            number = int(last.getsockname()[1])
            self.own.add(number)
            _until(lambda: number in self.came)
        _until(lambda: set(self.came) <= self.ended)

    @property
    def connections(self) -> int:
        """How many connections were made to it."""
        self.settle()
        return len([one for one in self.came if one not in self.own])

    @property
    def received(self) -> bytes:
        """All that was sent to it."""
        self.settle()
        return b"".join(self.bytes_of.values())

    @property
    def origin(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def canary() -> Generator[Canary]:
    """Listen on loopback and remember every connection, by its other port, and every byte."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(1)
            try:
                found.bytes_of[self.client_address[1]] = self.request.recv(65536)
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            except OSError:
                return

        def finish(self) -> None:
            found.ended.add(self.client_address[1])

    class Counting(ThreadingTCPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            found.came.append(client_address[1])
            super().process_request(request, client_address)

    with Counting(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Canary(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        found.settle()
        found.closed = True
        server.shutdown()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; ``body`` may be endless."""

    status: int = 200
    body: bytes | Iterable[bytes] = b"{}"
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Peer:
    """An EHR on loopback; ``answer`` gives the reply to a path with its query."""

    port: int
    answer: Callable[[str], Reply]
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])

    @property
    def base(self) -> str:
        """Its FHIR base."""
        return f"http://127.0.0.1:{self.port}/fhir"


@contextmanager
def peer(answer: Callable[[str], Reply]) -> Generator[Peer]:
    """Serve an EHR that gives these replies."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.requests.append((self.path, dict(self.headers)))
            reply = found.answer(self.path)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            whole = reply.body if isinstance(reply.body, bytes) else None
            self.send_header(*(("Connection", "close") if whole is None else ("Content-Length", str(len(whole)))))
            self.end_headers()
            self.close_connection = whole is None
            for chunk in [whole] if whole is not None else reply.body:
                try:
                    self.wfile.write(chunk)  # type: ignore[arg-type]
                except OSError:
                    return

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Peer(server.server_address[1], answer)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()
