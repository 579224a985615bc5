"""A house for one test file: the reference EHR and the service as processes on loopback, over a fresh store.

Both are driven over HTTP only, and either can be stopped, killed and started again where it was.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from conformance import children as programs
from conformance.children import Children
from conformance.practitioner import FhirClient, Json, Parameters, sign_in
from conformance.reference_ehr.prefetch import expand
from conformance.stage import Stage, build, environment, start_ehr, start_service

SIGNER = "dr-lindqvist"
CLIENT, REDIRECT = "reference-ehr-script", "http://127.0.0.1/callback"
SERVICE = "psychotropic-options"
# What is waited for comes at once or, on a machine that is busy, later; only what never comes takes all this time.
WITHIN_S = 180.0
programs.READY_WITHIN_S = WITHIN_S


class House:
    """The two programs, and what a practitioner and an operator do with them."""

    def __init__(self, stage: Stage, children: Children, http: httpx.Client, options: Sequence[str]) -> None:
        self.stage, self.http = stage, http
        self._children, self._options = children, options
        self._tokens: dict[str, str] = {}

    # The programs

    def start_service(self) -> None:
        """Start the service on its store and port, and return when it is ready."""
        program = [sys.executable, "-m", "tests.e2e.impatient"]
        start_service(self.stage, self._children, program, *self._options)
        self._children.wait(self.http, "service")

    def start_ehr(self) -> None:
        """Start the EHR: its people are the same, its keys and everything else are new."""
        self._tokens.clear()
        start_ehr(self.stage, self._children, [sys.executable, "-m", "tests.e2e.gated_ehr"])
        self._children.wait(self.http, "ehr")

    def kill_service(self) -> None:
        """``kill -9``."""
        self._children.kill("service")

    def kill_ehr(self) -> None:
        """``kill -9``."""
        self._children.kill("ehr")

    def freeze_ehr(self) -> None:
        """Stop the EHR where it is: its port is open and it does not answer."""
        self._children.signal("ehr", signal.SIGSTOP)

    def thaw_ehr(self) -> None:
        """Let the EHR go on."""
        self._children.signal("ehr", signal.SIGCONT)

    @contextmanager
    def gate(self, where: str) -> Generator[None]:
        """Let requests to the EHR wait where ``gated_ehr`` says; it opens at the end."""
        waiting = self.stage.folder / "waiting"
        waiting.unlink(missing_ok=True)
        (self.stage.folder / "gate").write_text(where, "utf-8")
        try:
            yield
        finally:
            (self.stage.folder / "gate").unlink()

    def at_gate(self) -> None:
        """Return when a request has come to the gate since the last time that this was asked."""
        waiting = self.stage.folder / "waiting"
        eventually(waiting.exists)
        waiting.unlink()

    # The practitioner

    def token(self, username: str = SIGNER) -> str:
        """Return an access token of the EHR for this user."""
        if username not in self._tokens:
            self._tokens[username] = sign_in(self.http, self.stage.ehr_base, CLIENT, REDIRECT, username)
        return self._tokens[username]

    def drafts(self, username: str = SIGNER) -> FhirClient:
        """Return the service's FHIR API as this user."""
        return FhirClient(self.http, f"{self.stage.service}/fhir", self.token(username))

    def chart(self, username: str = SIGNER) -> FhirClient:
        """Return the EHR's FHIR API as this user."""
        return FhirClient(self.http, self.stage.ehr_base, self.token(username))

    def open_chart(self, patient: str, username: str = SIGNER) -> Json:
        """Open a chart in the EHR, which calls the hook; returns the one card."""
        asked = {"patient": patient, "user": username}
        answer = self.http.post(f"{self.stage.ehr}/hooks/patient-view", json=asked)
        (call,) = answer.json()["calls"]
        assert (call["status"], call["problems"]) == (200, []), call
        (card,) = call["answer"]["cards"]
        return card

    def orders(self, prepared: Parameters) -> list[Json]:
        """Return the EHR's orders that carry the identifier of the prepared one."""
        identifier = prepared.order["identifier"][0]
        return self.chart().search(f"MedicationRequest?identifier={identifier['system']}|{identifier['value']}")

    def provenances(self, prepared: Parameters) -> list[Json]:
        """Return the EHR's Provenance of those orders."""
        targets = [f"MedicationRequest/{order['id']}" for order in self.orders(prepared)]
        return [found for target in targets for found in self.chart().search(f"Provenance?target={target}")]

    # The EHR's own calls, to be spoilt

    def hook_request(self, patient: str) -> Json:
        """Return a whole patient-view request, its prefetch read as the service's templates say."""
        services = self.http.get(f"{self.stage.service}/cds-services").json()["services"]
        (service,) = (one for one in services if one["hook"] == "patient-view")
        context = {"userId": f"Practitioner/{SIGNER}", "patientId": patient}
        queries = {key: expand(template, context) for key, template in service["prefetch"].items()}
        return {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": context,
            "prefetch": {key: self.chart().read(str(query)) for key, query in queries.items()},
        }

    def cds_token(self, service: str = SERVICE) -> str:
        """Return the EHR's JWT for one call of a hook."""
        audience = f"{self.stage.service}/cds-services/{service}"
        return self.http.get(f"{self.stage.ehr}/cds-token?audience={audience}").json()["token"]

    def call_hook(self, body: bytes, token: str | None = None, service: str = SERVICE) -> httpx.Response:
        """Post a body to a hook on a connection of its own, with a fresh token unless one is given."""
        headers = {
            "Authorization": f"Bearer {token or self.cds_token()}",
            "Content-Type": "application/json",
            "Connection": "close",
        }
        return self.http.post(f"{self.stage.service}/cds-services/{service}", content=body, headers=headers)

    # The operator

    def held(self) -> int:
        """Return how many drafts the service says that it holds."""
        nobody = FhirClient(self.http, f"{self.stage.service}/fhir")
        return nobody.read("MedicationRequest?status=draft&_summary=count")["total"]

    def ready(self) -> bool:
        """Say whether the service calls itself ready."""
        return self.http.get(f"{self.stage.service}/readyz").status_code == 200

    def undersign(self, *arguments: str) -> tuple[int, str]:
        """Run a command on the service's store; returns its status and all that it printed."""
        command = [sys.executable, "-m", "service.cli", *arguments, "--config", str(self.stage.config)]
        found = subprocess.run(
            command, capture_output=True, text=True, env=environment(), timeout=WITHIN_S, check=False
        )
        return found.returncode, found.stdout + found.stderr

    def states(self) -> Mapping[str, str]:
        """Return the state of every draft by its id, as the operator's list has it."""
        status, printed = self.undersign("drafts", "list", "--json")
        assert status == 0, printed
        return {row["id"]: row["state"] for row in json.loads(printed)}


@contextmanager
def house(folder: Path, *options: str) -> Generator[House]:
    """Start both programs in ``folder``; ``options`` are further ones of ``undersign serve``."""
    with Children() as children, httpx.Client(timeout=WITHIN_S, trust_env=False) as http:
        found = House(build(folder), children, http, options)
        found.start_ehr()
        found.start_service()
        yield found


def draft_ids(card: Json) -> list[str]:
    """Return the ids of the drafts that a card offers, in its order."""
    return [resource["id"] for resource in _resources(card)]


def _resources(card: Json) -> Iterator[Json]:
    for suggestion in card.get("suggestions", []):
        for action in suggestion.get("actions", []):
            yield action["resource"]


def eventually(holds: Callable[[], Any], within_s: float = WITHIN_S) -> None:
    """Return when ``holds()`` is true; AssertionError when it is not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not so within {within_s:.0f} s"
        time.sleep(0.05)
