"""Connections to the server as ``undersign serve`` has them: bytes that never become a request are refused."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service import server
from service.connections import HEAD_BYTES, Bounded

HOST = b"Host: undersign.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
CLOSE = b"Connection: close\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body."""
    size = len(await Request(scope, receive).body())
    await PlainTextResponse(f"{size} bytes")(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with the options of ``undersign serve``, which is very patient unless a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bounded, "patience_s", 600.0)
        options = {name: value for name, value in server._OPTIONS.items() if name != "timeout_graceful_shutdown"}
        config = uvicorn.Config(echo, host="127.0.0.1", port=0, lifespan="off", timeout_graceful_shutdown=1, **options)
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, daemon=True)
        thread.start()
        while not serving.started:
            threading.Event().wait(0.01)
        yield int(serving.servers[0].sockets[0].getsockname()[1])
        serving.should_exit = True
        thread.join(30)


def said(port: int, *parts: bytes) -> bytes:
    """Return all that is answered to some bytes before the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(60)
        found = b""
        try:
            for part in parts:
                client.sendall(part)
            while chunk := client.recv(65536):
                found += chunk
        except ConnectionError:  # closed while we were still sending
            return found
        return found


def refusal(answer: bytes) -> tuple[int, str]:
    """Return status and code of an answer, which must be an OperationOutcome."""
    head, _, body = answer.partition(b"\r\n\r\n")
    outcome = json.loads(body)
    assert outcome["resourceType"] == "OperationOutcome"
    assert b"content-type: application/fhir+json" in head
    return int(head.split()[1]), outcome["issue"][0]["details"]["coding"][0]["code"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([GET + b"X-Name: " + b"a" * HEAD_BYTES + b"\r\n" + CLOSE], (431, "U-HTTP-HEAD-SIZE")),
        (
            [GET + b"".join(b"X-%d: aaaaaaaaaa\r\n" % number for number in range(8000)) + CLOSE],
            (431, "U-HTTP-HEAD-SIZE"),
        ),
        ([b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n" + HOST + CLOSE], (431, "U-HTTP-HEAD-SIZE")),
        ([b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1" + bytes(100)], (400, "U-HTTP-SYNTAX")),
        ([b"NONSENSE\r\n\r\n"], (400, "U-HTTP-SYNTAX")),
        ([b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n"], (400, "U-HTTP-SYNTAX")),
        ([b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], (400, "U-HTTP-SYNTAX")),
        (
            [b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
            (400, "U-HTTP-SYNTAX"),
        ),
    ],
)
def test_bytes_that_never_become_a_request_are_refused_by_name(
    port: int, parts: list[bytes], code: tuple[int, str]
) -> None:
    """A head that is too large or no HTTP is an OperationOutcome, and the connection is closed."""
    assert refusal(said(port, *parts)) == code


@pytest.mark.parametrize("parts", [[b"G"], [GET, b"X-Name: " + b"a" * 1000]])
def test_a_head_that_does_not_end_is_refused_in_time(
    port: int, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever begins a head and goes silent is told so, and let go."""
    monkeypatch.setattr(Bounded, "patience_s", 3.0)  # from the connection on: long enough for the bytes to come
    assert refusal(said(port, *parts)) == (408, "U-HTTP-HEAD-TIMEOUT")


def test_a_head_without_an_end_is_not_kept(port: int) -> None:
    """A header that goes on and on is cut off after little more than a head may have."""
    endless = [b"a" * HEAD_BYTES] * 200
    answer = said(port, GET + b"X-Name: ", *endless)
    assert not answer or refusal(answer) == (431, "U-HTTP-HEAD-SIZE")


def test_a_connection_that_says_nothing_is_closed_without_a_word(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only connects is let go."""
    monkeypatch.setattr(Bounded, "patience_s", 0.1)
    assert said(port) == b""


def test_a_second_head_has_its_time_too(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was of use once is not kept for a head that does not end."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(60)
        client.sendall(GET + b"\r\n")
        first = b""
        while not first.endswith(b"0 bytes"):
            first += client.recv(65536)
        monkeypatch.setattr(Bounded, "patience_s", 0.1)
        client.sendall(b"GET / HT")
        second = b""
        while chunk := client.recv(65536):
            second += chunk
    assert first.startswith(b"HTTP/1.1 200")
    assert refusal(second) == (408, "U-HTTP-HEAD-TIMEOUT")


def test_good_requests_are_answered_whatever_their_framing(port: int) -> None:
    """A long head within its bound, a body in chunks, a body that is slow and two requests at once are answered."""
    long_head = GET + b"X-Name: " + b"a" * (HEAD_BYTES - 100) + b"\r\n" + CLOSE
    assert said(port, long_head).endswith(b"0 bytes")
    post = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
    assert said(port, post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").endswith(b"3 bytes")
    big = b"a" * 400_000
    assert said(port, post + b"Content-Length: 400000\r\n\r\n", big).endswith(b"400000 bytes")
    assert said(port, GET + b"\r\n" + GET + CLOSE).count(b"HTTP/1.1 200") == 2
