"""The listening service as an ASGI application: bytes in, bytes out, and word of a client that hangs up."""

from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.listening import answers
from conformance.listening.answers import Answer
from conformance.listening.listener import Listener

LARGEST = 20_000_000  # bytes of a request
# A test card holds no secret and nothing is sent with credentials, so any page may read the answers.
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type",
}


def application(listener: Listener) -> ASGIApp:
    """Return the application that hands every request to the listener."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        path = f"{scope['path']}?{query}" if query else scope["path"]
        if body is None:
            await _send(answers.refused(413, "too-long", "the body is too large"), send)
            return
        await _send(await listener.take(scope["method"], path, headers, body, lambda: _gone(receive)), send)

    return app


async def _body(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST:
            return None
        if not message.get("more_body"):
            return body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(answer: Answer, send: Send) -> None:
    headers = {**_CORS, **answer.headers, "content-length": str(len(answer.body))}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": answer.body})
