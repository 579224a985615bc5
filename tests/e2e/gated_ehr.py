"""The reference EHR with a gate in front of it, so that a test says how far a write has come before a crash.

The gate is a file ``gate`` in the working directory: ``before POST /fhir/MedicationRequest`` lets such a request
wait before the EHR sees it, ``after …`` lets its answer wait once the EHR has done it; without the file nothing
waits. A word behind the path, ``before POST /token Provenance``, means only requests whose body has it (here: the
token for writing, not the one for reading). Beside the people of the EHR there are copies of one of them,
``<id>-1`` and so on, and a login without a Practitioner.
"""

import argparse
import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.reference_ehr.codec import decode, encode
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.patients import Account
from conformance.reference_ehr.server import create_app

GATE, WAITING = Path("gate"), Path("waiting")
COPIED, COPIES = "jonas-weber", 100
# Long enough for a slow machine: a token must outlive its test file, and a hook may take its time.
TOKEN_LIFE, HOOK_S = timedelta(hours=1), 60.0


class Gated:
    """Around the EHR's application: the gate, and a token for one call of a hook at ``/cds-token?audience=``."""

    def __init__(self, app: ASGIApp, ehr: ReferenceEhr) -> None:
        self._app, self._ehr = app, ehr

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, waiting where the gate says so."""
        if scope["type"] == "http" and scope["path"] == "/cds-token":
            token = self._ehr.cds.token(scope["query_string"].decode().removeprefix("audience="))
            await JSONResponse({"token": token})(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            await _wait("after", scope, body)
            await send(message)

        arrived = await receive() if scope["type"] == "http" else None
        body: bytes = (arrived or {}).get("body", b"")
        await _wait("before", scope, body)

        async def again() -> Message:
            # What has arrived is acted on, also when its sender is dead by now.
            nonlocal arrived
            message, arrived = arrived, None
            return message or await receive()

        await self._app(scope, again, answer)


async def _wait(when: str, scope: Scope, body: bytes) -> None:
    if scope["type"] == "http" and _shut(when, scope, body):
        WAITING.touch()  # noqa: ASYNC240 - an empty local file
        while _shut(when, scope, body):  # noqa: ASYNC110 - the gate is a file, which another process removes
            await asyncio.sleep(0.01)


def _shut(when: str, scope: Scope, body: bytes) -> bool:
    try:
        where, method, path, *inside = GATE.read_text("utf-8").split()
    except (FileNotFoundError, ValueError):
        return False  # no gate, or one that is being written at this moment
    wanted = (where, method, path) == (when, scope["method"], scope["path"])
    return wanted and all(word.encode() in body for word in inside)


def add_copies(ehr: ReferenceEhr) -> None:
    """Add the copies, each a whole record of its own."""
    person = next(person for person in ehr.people if person.id == COPIED)
    for number in range(1, COPIES + 1):
        for resource in person.resources:
            copy = decode(encode(resource).replace(COPIED.encode(), f"{COPIED}-{number}".encode()))
            ehr.store.create(copy, copy["id"])


def add_unknown(ehr: ReferenceEhr) -> None:
    """Add a login ``dr-nobody`` behind which there is no Practitioner."""
    account = Account("dr-nobody", "Dr Nobody", "not in the registry", "Practitioner/dr-nobody")
    ehr.authorization.accounts[account.username] = account


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--service")
    options = parser.parse_args()
    http = httpx.AsyncClient(timeout=HOOK_S, trust_env=False)
    ehr = build(f"http://127.0.0.1:{options.port}", options.service, token_life=TOKEN_LIFE, http=http)
    add_copies(ehr)
    add_unknown(ehr)
    app = Gated(create_app(ehr), ehr)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
