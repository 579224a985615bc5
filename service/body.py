"""Reading a request's body: its size is limited before it is buffered, its time too, and it is strict JSON."""

import asyncio

from fastapi import Request

from fhir_adapters import strict_json
from service.errors import BadRequest, TooLarge

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})


async def read_json(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body of a JSON request, checked.

    Raises TooLarge U-BODY-SIZE, BadRequest U-BODY-TYPE, U-BODY-TIMEOUT, U-BODY-CLOSED, and InputError
    U-JSON-… for text that strict JSON refuses.
    """
    check_type(request.headers.get("content-type", ""))
    raw = await read(request, max_bytes=max_bytes, timeout_s=timeout_s)
    strict_json.check(raw, max_bytes=max_bytes)
    return raw


def check_type(content_type: str) -> None:
    """Raise BadRequest U-BODY-TYPE unless the content type is JSON in UTF-8."""
    kind, _, rest = content_type.partition(";")
    charset = rest.partition("charset=")[2].strip(' "').lower()
    if kind.strip().lower() not in _JSON_TYPES or charset not in ("", "utf-8", "utf8"):
        raise BadRequest("U-BODY-TYPE", "send the body as Content-Type: application/json, in UTF-8")


async def read(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the raw body; never holds more than ``max_bytes`` of it."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(request, max_bytes)
    except TimeoutError as error:
        raise BadRequest("U-BODY-TIMEOUT", f"the body did not arrive within {timeout_s:g} s; send it again") from error


async def _collect(request: Request, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("U-BODY-CLOSED", "the connection closed before the body ended; send it again")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge("U-BODY-SIZE", f"the body is larger than {max_bytes} bytes; send less, or raise the limit")
