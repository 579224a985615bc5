"""A body is limited in size before it is buffered, and in time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from fhir_adapters.errors import UndersignError
from service import body
from service.errors import BadRequest


def chunk(size: int, *, more: bool) -> Message:
    """Return one message of a body."""
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def read(messages: list[Message], declared: str = "", limit: int = 10) -> bytes:
    """Read a body of messages to its end; when they run out, the sender is silent."""
    left = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def collect() -> bytes:
        guarded = body.guard(receive, declared, limit, 0.05)
        found = b""
        while True:
            message = await guarded()
            found += message["body"]
            if not message["more_body"]:
                return found

    return asyncio.run(collect())


def test_a_body_within_its_limits_is_read() -> None:
    """A body of exactly the limit, in parts, arrives whole."""
    assert read([chunk(4, more=True), chunk(6, more=False)]) == b"x" * 10


@pytest.mark.parametrize(
    ("messages", "declared", "code"),
    [
        ([], "11", "U-BODY-SIZE"),
        ([chunk(11, more=False)], "", "U-BODY-SIZE"),
        ([chunk(6, more=True), chunk(6, more=True)], "5", "U-BODY-SIZE"),
        ([], "", "U-BODY-TIMEOUT"),
        ([chunk(1, more=True)], "10", "U-BODY-TIMEOUT"),
        ([chunk(1, more=True), {"type": "http.disconnect"}], "", "U-BODY-CLOSED"),
    ],
)
def test_a_body_outside_its_limits_is_refused(messages: list[Message], declared: str, code: str) -> None:
    """Too large by its header or by its bytes, too slow, or cut off: each has its code."""
    with pytest.raises(UndersignError) as caught:
        read(messages, declared)
    assert caught.value.code == code


def test_the_time_limit_ends_with_the_body() -> None:
    """Waiting for the disconnect after a whole body is not cut off: an answer may take longer than a body."""

    async def wait() -> None:
        messages = iter([chunk(1, more=False)])

        async def receive() -> Message:
            for message in messages:
                return message
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        guarded: Callable[[], Awaitable[Message]] = body.guard(receive, "", 10, 0.01)
        await guarded()
        assert (await guarded())["type"] == "http.disconnect"

    asyncio.run(wait())


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=UTF-8", 'application/fhir+json;charset="utf-8"']
)
def test_json_in_utf_8_is_taken(kind: str) -> None:
    """JSON and FHIR JSON are taken with or without the charset."""
    body.check_type(kind)


@pytest.mark.parametrize("kind", ["", "text/json", "application/json; charset=latin1", "application/xml"])
def test_other_types_are_refused(kind: str) -> None:
    """Anything else is U-BODY-TYPE."""
    with pytest.raises(BadRequest, match="U-BODY-TYPE"):
        body.check_type(kind)
