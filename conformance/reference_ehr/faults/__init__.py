"""Faults that the reference EHR can be told to have, one by one, so that a check can be seen to fail.

They stand around the EHR and not in it: a fault changes a request before the EHR sees it, or the answer after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.errors import CheckError
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.faults import bulk, charts, discovery, pages, transport, writing
from conformance.reference_ehr.faults.callers import HABITS
from conformance.reference_ehr.faults.calls import Answer, Call, Fault
from conformance.reference_ehr.habits import Habit

__all__ = ["FAULTS", "HABITS", "Fault", "habits", "parse", "switched"]

FAULTS: Mapping[str, Fault] = {
    one.name: one
    for one in (*transport.FAULTS, *discovery.FAULTS, *pages.FAULTS, *charts.FAULTS, *writing.FAULTS, *bulk.FAULTS)
}


def habits(names: Sequence[str]) -> tuple[Habit, ...]:
    """Return the faults of the EHR as a CDS client among these names."""
    return tuple(HABITS[name] for name in names if name in HABITS)


def parse(names: Sequence[str]) -> tuple[tuple[Fault, str], ...]:
    """Return faults of the server and their values, of ``name`` or ``name=value``; CheckError U-REF-FAULT for others.

    Names of ``HABITS`` are left out: those stand in the EHR's CDS client.
    """
    found: list[tuple[Fault, str]] = []
    for text in (one for one in names if one not in HABITS):
        name, _, value = text.partition("=")
        fault = FAULTS.get(name)
        if fault is None or (fault.value and not value):
            told = [f"{one.name}={one.value}" if one.value else one.name for one in FAULTS.values()]
            known = ", ".join([*told, *HABITS])
            raise CheckError("U-REF-FAULT", f"there is no such fault; there are: {known}")
        found.append((fault, value))
    return tuple(found)


def switched(app: ASGIApp, ehr: ReferenceEhr, faults: Sequence[tuple[Fault, str]]) -> ASGIApp:
    """Return the application with these faults; itself without any."""
    if not faults:
        return app

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        call = await _call(scope, receive)
        made: Call | Answer = call
        for fault, value in faults:
            if isinstance(made, Call) and fault.before is not None:
                made = await fault.before(made, ehr, value)
        if isinstance(made, Call):
            call, made = made, await _answered(app, scope, made)
        for fault, value in faults:
            if fault.after is not None:
                made = fault.after(call, made, ehr, value)
        await _send(made, send)

    return faulty


async def _call(scope: Scope, receive: Receive) -> Call:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)


async def _answered(app: ASGIApp, scope: Scope, call: Call) -> Answer:
    started: Message = {}
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal started, body
        if message["type"] == "http.response.start":
            started = message
        else:
            body += message.get("body", b"")

    headers = {**call.headers, "content-length": str(len(call.body))}
    asked = {
        **scope,
        "method": call.method,
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": call.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }
    await app(asked, receive, send)
    told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in started["headers"]}
    return Answer(started["status"], told, body)


async def _send(answer: Answer, send: Send) -> None:
    sent = replace(answer, headers={**answer.headers, "content-length": str(len(answer.body))})
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.headers.items()]
    await send({"type": "http.response.start", "status": sent.status, "headers": pairs})
    await send({"type": "http.response.body", "body": sent.body})
