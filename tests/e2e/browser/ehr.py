"""The reference EHR with more synthetic people: copies of two of them, each a whole chart of its own.

So no test meets the drafts that another one left. ``jonas-weber-3`` is the third copy of Jonas Weber, named so. From
the copy ``ODD`` on, the EHR is in trouble over them: an order for a Weber is answered with 503, to be tried again in
five minutes, and whoever opens an Osei signed in at the EHR two hours ago.
"""

import argparse
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.reference_ehr.codec import decode, encode
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.patients import Person
from conformance.reference_ehr.server import create_app
from tests.e2e.gated_ehr import HOOK_S, TOKEN_LIFE

COPIED = {"jonas-weber": "Weber", "amara-osei": "Osei"}
COPIES, ODD = 16, 13
_MORNING = timedelta(hours=2)


def with_copies(ehr: ReferenceEhr) -> ReferenceEhr:
    """Return the EHR with the copies in its record and among its people."""
    originals = [person for person in ehr.people if person.id in COPIED]
    copies = [_copy(person, number) for person in originals for number in range(1, COPIES + 1)]
    for person in copies:
        for resource in person.resources:
            ehr.store.create(resource, resource["id"])
    return replace(ehr, people=(*ehr.people, *copies))


def _copy(person: Person, number: int) -> Person:
    new, family = f"{person.id}-{number}", COPIED[person.id]
    renamed = [
        encode(one)
        .replace(person.id.encode(), new.encode())
        .replace(f'"{family}"'.encode(), f'"{family}-{number}"'.encode())
        for one in person.resources
    ]
    return replace(person, id=new, resources=tuple(decode(one) for one in renamed))


def is_odd(patient: str, original: str) -> bool:
    """Say whether this is one of the last copies of a patient."""
    name, _, number = patient.rpartition("-")
    return name == original and int(number) >= ODD


def since_the_morning(ehr: ReferenceEhr) -> None:
    """Let every launch over an odd Osei be of a user who signed in two hours ago."""
    launch = ehr.authorization.launch

    def launched(
        client_id: str,
        patient: str,
        username: str,
        app_context: str | None = None,
        logged_in: datetime | None = None,
    ) -> str:
        before = logged_in - _MORNING if logged_in and is_odd(patient, "amara-osei") else logged_in
        return launch(client_id, patient, username, app_context, before)

    ehr.authorization.launch = launched


def without_some_writes(app: ASGIApp) -> ASGIApp:
    """Return the EHR that answers 503 to an order for an odd Weber."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/fhir/MedicationRequest"):
            return await app(scope, receive, send)
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        patient = decode(body)["subject"]["reference"].removeprefix("Patient/")
        if is_odd(patient, "jonas-weber"):
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"300")]})
            return await send({"type": "http.response.body", "body": b""})
        return await app(scope, _again(body), send)

    return called


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--service")
    options = parser.parse_args()
    http = httpx.AsyncClient(timeout=HOOK_S, trust_env=False)
    root = f"http://127.0.0.1:{options.port}"
    ehr = with_copies(build(root, options.service, token_life=TOKEN_LIFE, http=http))
    since_the_morning(ehr)
    served = without_some_writes(create_app(ehr))
    uvicorn.run(served, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
