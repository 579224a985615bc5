"""Reading a request's body: limited in size before it is buffered, and in time; hooks take strict JSON."""

import asyncio

from fastapi import Request
from starlette.types import Message, Receive

from fhir_adapters.reading import strict_json
from service.errors import BadRequest, TooLarge

_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})


async def read_json(request: Request, max_bytes: int) -> bytes:
    """Return the body of a JSON request, checked.

    Raises BadRequest U-BODY-TYPE, InputError U-JSON-… for what strict JSON refuses, and as ``guard``.
    """
    check_head(request)
    raw = await request.body()
    strict_json.check(raw, max_bytes=max_bytes)
    return raw


def check_head(request: Request) -> None:
    """Raise BadRequest U-BODY-TYPE unless a body is said once to be JSON in UTF-8, and not packed."""
    kinds = request.headers.getlist("content-type")
    if len(kinds) > 1:
        raise BadRequest("U-BODY-TYPE", "send one Content-Type")
    packed = request.headers.get("content-encoding", "identity")
    if packed.strip().lower() not in ("", "identity"):
        raise BadRequest("U-BODY-TYPE", "send the body as it is, without a Content-Encoding")
    check_type(kinds[0] if kinds else "")


def check_type(content_type: str) -> None:
    """Raise BadRequest U-BODY-TYPE unless the content type is JSON in UTF-8."""
    kind, _, rest = content_type.partition(";")
    charset = rest.lower().partition("charset=")[2].strip(' "')
    if kind.strip().lower() not in _JSON_TYPES or charset not in ("", "utf-8", "utf8"):
        raise BadRequest("U-BODY-TYPE", "send the body as Content-Type: application/json, in UTF-8")


def guard(receive: Receive, declared: str, max_bytes: int, timeout_s: float) -> Receive:
    """Return ``receive`` with a limit on the body's size and on the time that it takes to arrive.

    ``declared`` is the Content-Length header. Raises TooLarge U-BODY-SIZE, at once for a declared size, and
    BadRequest U-BODY-TIMEOUT or U-BODY-CLOSED.
    """
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    size, whole, deadline = 0, False, asyncio.get_running_loop().time() + timeout_s

    async def guarded() -> Message:
        nonlocal size, whole
        if whole:  # only the disconnect is still to come, and it may take as long as the answer does
            return await receive()
        message = await _in_time(receive, deadline)
        if message["type"] == "http.disconnect":
            raise BadRequest("U-BODY-CLOSED", "the connection closed before the body ended; send it again")
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > max_bytes:
            raise _too_large(max_bytes)
        return message

    return guarded


async def _in_time(receive: Receive, deadline: float) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise BadRequest("U-BODY-TIMEOUT", "the body did not arrive in time; send it again") from error


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge("U-BODY-SIZE", f"the body is larger than {max_bytes} bytes; send less")
