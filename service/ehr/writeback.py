"""The outbox worker: takes one write-back at a time under a lease and ends it, or tries again later.

``write-failed`` tries again; ``mismatch`` and ``parked`` wait for a person, whom ``undersign drafts show``
tells why and what to do; ``awaiting-ehr-signature`` is followed by ``awaiting``. Whatever fails, the order is
written once: see ``delivery``.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from fhir_adapters.errors import InputError
from service import telemetry
from service.drafts.canonical_json import load_object
from service.drafts.outbox_steps import signed_for
from service.drafts.records import OutboxEntry
from service.drafts.store import Store
from service.ehr import modes
from service.ehr.delivery import Delivery, Mismatch
from service.ehr.transport import RETRY_CAP_S, EhrRefused
from service.errors import BadRequest, ConfigError, Conflict, EhrFailed, ServiceError

if TYPE_CHECKING:
    from service.bootstrap import Services

LEASE_S = 60
# All requests of one write-back end before its lease does, so no two workers write at a time.
DELIVERY_S = 45.0
POLL_S = 2.0
# So many write-backs of one process at a time: an EHR that is slow does not hold up the others.
AT_ONCE = 4
Ending = Literal["confirmed", "awaiting-ehr-signature", "write-failed", "mismatch", "parked"]
_wakes: WeakKeyDictionary[Store, asyncio.Event] = WeakKeyDictionary()


async def run(services: "Services") -> None:
    """Work on the outbox until cancelled: at once when poked, else every two seconds."""
    wake = _wakes[services.store] = asyncio.Event()
    room = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as works:
        while True:
            wake.clear()
            await room.acquire()
            entry = await _claimed(services)
            if entry is None:
                room.release()
                await _wait(wake)
            else:
                works.create_task(_worked(services, entry, room))


def poke(services: "Services") -> None:
    """Wake this process's worker, if it has one: a signature was just made."""
    wake = _wakes.get(services.store)
    if wake is not None:
        wake.set()


async def once(services: "Services") -> bool:
    """Work on the next write-back that is due; False when there is none."""
    entry = await services.store.claim(LEASE_S)
    if entry is not None:
        await _held(services, entry)
    return entry is not None


async def _claimed(services: "Services") -> OutboxEntry | None:
    try:
        return await services.store.claim(LEASE_S)
    except ServiceError as error:
        telemetry.log().error("write-back paused", code=error.code)
        return None


async def _worked(services: "Services", entry: OutboxEntry, room: asyncio.Semaphore) -> None:
    try:
        await _held(services, entry)
    except ServiceError as error:
        telemetry.log().error("write-back paused", draft=entry.draft, ehr=entry.ehr, code=error.code)
    finally:
        room.release()


async def _held(services: "Services", entry: OutboxEntry) -> None:
    try:
        await _work(services, entry)
    except Conflict as error:
        # Another worker has taken it over: its lease, not ours, decides what is recorded.
        telemetry.log().warning("write-back lease lost", draft=entry.draft, ehr=entry.ehr, code=error.code)


def backoff_s(attempts: int) -> int:
    """Return the pause after the n-th attempt (from 1): 1, 2, 4 … at most 300 seconds."""
    return min(2 ** min(max(attempts - 1, 0), 9), RETRY_CAP_S)


async def _work(services: "Services", entry: OutboxEntry) -> None:
    client = services.clients.get(entry.ehr)
    if client is None:
        await _finish(services, entry, "parked", {"code": "U-EHR-UNKNOWN"})
        return

    async def keep(step: Mapping[str, str]) -> None:
        await services.store.progress(entry, step)

    try:
        async with asyncio.timeout(DELIVERY_S):
            mode, status = client.ehr.write_back, str(load_object(entry.order)["status"])
            meant = signed_for(await services.store.history(entry.draft))
            await modes.check_writing(client, status, meant)
            said = await Delivery(client, entry, keep, mode).run()
    except Mismatch as error:
        await _finish(services, entry, "mismatch", {"code": "U-EHR-MISMATCH", "fields": list(error.fields)})
    except EhrRefused as error:
        await _refused(services, entry, error)
    except EhrFailed as error:
        await _finish(services, entry, "write-failed", {"code": error.code}, backoff_s(entry.attempts))
    except TimeoutError:
        detail = {"code": "U-EHR-UNREACHABLE"}
        await _finish(services, entry, "write-failed", detail, backoff_s(entry.attempts))
    except (InputError, BadRequest, ConfigError) as error:
        # Nothing that comes back later by itself: settings, or bytes that cannot be written as they are.
        await _finish(services, entry, "parked", {"code": error.code})
    else:
        # A draft is in force only once the EHR has its own signature, a document once a person has entered it.
        ending: Ending = "confirmed" if mode == "sign-and-write" else "awaiting-ehr-signature"
        await _finish(services, entry, ending, said)


async def _refused(services: "Services", entry: OutboxEntry, error: EhrRefused) -> None:
    detail = {"code": error.code, "status": error.http_status}
    if error.passing:
        asked = error.retry_after_s
        pause = backoff_s(entry.attempts) if asked is None else max(asked, 1)
        await _finish(services, entry, "write-failed", detail, pause)
    else:
        await _finish(services, entry, "parked", detail)


async def _finish(
    services: "Services", entry: OutboxEntry, ending: Ending, detail: Mapping[str, object], retry_s: int = 0
) -> None:
    await services.store.finish(entry, ending, detail, retry_s)
    telemetry.WRITE_BACKS.labels(ending).inc()
    telemetry.log().info(
        "write-back",
        draft=entry.draft,
        ehr=entry.ehr,
        state=ending,
        code=detail.get("code"),
        attempt=entry.attempts,
        retry_s=retry_s,
    )


async def _wait(wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_S):
            await wake.wait()
    except TimeoutError:
        return
