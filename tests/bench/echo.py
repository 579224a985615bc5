"""The yardstick: an ASGI application that reads a body and sends it back, and does nothing else."""

from starlette.types import Receive, Scope, Send

_HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every HTTP request with its own body; a lifespan is not supported, as uvicorn allows."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
    await send({"type": "http.response.body", "body": body})
