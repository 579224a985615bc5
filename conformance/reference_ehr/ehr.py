"""The reference EHR put together: record, keys, authorisation server and CDS client of one hospital."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from conformance.reference_ehr import bulk, dialects, patients
from conformance.reference_ehr.bulk import Exports
from conformance.reference_ehr.cds_client import CdsClient, Sleep
from conformance.reference_ehr.clients import Client, ClientDesk
from conformance.reference_ehr.dialects import Dialect, Resource
from conformance.reference_ehr.habits import Habit
from conformance.reference_ehr.keys import Keys
from conformance.reference_ehr.oauth import AuthorizationServer
from conformance.reference_ehr.patients import Person
from conformance.reference_ehr.store import Clock, Store

SERVICE_CLIENT = "undersign"
SCRIPT_CLIENT = "reference-ehr-script"
SCRIPT_REDIRECT = "http://127.0.0.1/callback"
"""Where a script that logs in is sent: it reads the code from the Location header and goes nowhere."""


@dataclass(frozen=True, slots=True)
class ReferenceEhr:
    """Everything that the endpoints work on. ``root`` is the origin, ``base`` the FHIR base under it."""

    root: str
    base: str
    started: datetime
    store: Store
    keys: Keys
    people: tuple[Person, ...]
    authorization: AuthorizationServer
    cds: CdsClient
    http: httpx.AsyncClient
    dialect: Dialect
    service_url: str | None
    exports: Exports


def build(
    root: str,
    service_url: str | None = None,
    *,
    clients: Sequence[Client] | None = None,
    clock: Clock = lambda: datetime.now(UTC),
    token_life: timedelta = timedelta(minutes=15),
    http: httpx.AsyncClient | None = None,
    dialect: str = dialects.PLAIN,
    habits: Sequence[Habit] = (),
    sleep: Sleep = asyncio.sleep,
) -> ReferenceEhr:
    """Return an EHR at the origin ``root`` with its synthetic people as of today by ``clock``.

    ``service_url`` is the CDS service that it calls and whose app it launches; ``clients`` replaces the apps
    that are registered by default; ``habits`` are the faults of its CDS client. The charts are in ``dialect``
    (``dialects.names()``); the staff, and what clients write, are plain R4 in every dialect.
    """
    http = http or httpx.AsyncClient(timeout=10, trust_env=False)
    store, keys, base, now = Store(clock), Keys(), f"{root}/fhir", clock()
    people, staff = patients.load(now.date()), patients.load_staff(now.date())
    for resource in [*staff.resources, *_charts(people, dialect)]:
        store.create(resource, resource["id"])
    store.create(bulk.group([person.id for person in people]), bulk.GROUP)
    registered = default_clients(service_url) if clients is None else clients
    desk = ClientDesk(registered, f"{root}/token", http, clock)
    authorization = AuthorizationServer(root, keys, desk, staff.accounts, store, clock, token_life)
    spoken = dialects.of(dialect)
    cds = CdsClient(root, store, keys, authorization, service_url, http, clock, spoken, habits=habits, sleep=sleep)
    return ReferenceEhr(
        root, base, now, store, keys, people, authorization, cds, http, spoken, service_url, Exports(root, store, clock)
    )


def _charts(people: Sequence[Person], dialect: str) -> list[Resource]:
    """Return everyone's resources in the dialect; a Medication that several charts refer to stands once."""
    written = [one for person in people for one in dialects.write(person.resources, dialect)]
    return list({(one["resourceType"], one["id"]): one for one in written}.values())


def default_clients(service_url: str | None) -> tuple[Client, ...]:
    """Return the registered apps: the service, when there is one, and scripts that log in on loopback."""
    reading = ("openid", "fhirUser", "launch", "launch/patient", "user/*.rs", "patient/*.rs")
    script = Client(SCRIPT_CLIENT, reading, (SCRIPT_REDIRECT,), SCRIPT_REDIRECT)
    if service_url is None:
        return (script,)
    writing = tuple(f"system/{name}.crus" for name in ("MedicationRequest", "Provenance", "DocumentReference", "Task"))
    service = Client(
        SERVICE_CLIENT,
        (*reading, "system/*.rs", *writing),
        (f"{service_url}/callback",),
        f"{service_url}/launch",
        jwks_uri=f"{service_url}/.well-known/jwks.json",
    )
    return (script, service)
