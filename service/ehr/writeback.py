"""The outbox worker: takes one write-back at a time under a lease and ends it, or tries again later.

``write-failed`` tries again; ``mismatch`` and ``parked`` wait for a person, whom ``undersign drafts show``
tells why and what to do; ``awaiting-ehr-signature`` is followed by ``awaiting``. Whatever fails, the order is
written once: see ``delivery``.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

from fhir_adapters.errors import InputError
from service import telemetry
from service.drafts.canonical_json import load_object
from service.drafts.commit.outbox_steps import never_queued, signed_for
from service.drafts.records import OutboxEntry
from service.drafts.store import Store
from service.ehr import modes
from service.ehr.delivery import Delivery, Mismatch
from service.ehr.oauth import TokenRefused
from service.ehr.transport import RETRY_CAP_S, EhrRefused
from service.errors import BadRequest, ConfigError, Conflict, EhrFailed, ServiceError

if TYPE_CHECKING:
    from service.bootstrap import Services

LEASE_S = 60
# All requests of one write-back end before its lease does, so no two workers write at a time.
DELIVERY_S = 45.0
POLL_S = 2.0
# Search indexes run behind: AWS HealthLake's search is eventually consistent by default (its developer guide, "FHIR
# Search Consistency Levels"). What was sent and not answered is looked for only after this, so as to be found.
SETTLE_S = 30
# So many write-backs of one tenant in one process at a time. What is more of it stays in the store, where other
# workers find it, and never takes the place of another tenant's: an EHR that is slow or dead holds up its own only.
AT_ONCE = 4
Ending = Literal["confirmed", "awaiting-ehr-signature", "write-failed", "mismatch", "parked"]
_wakes: WeakKeyDictionary[Store, asyncio.Event] = WeakKeyDictionary()


async def run(services: "Services") -> None:
    """Work on the outbox until cancelled: at once when poked, else every two seconds."""
    wake = _wakes[services.store] = asyncio.Event()
    busy: Counter[str] = Counter()

    async def worked(entry: OutboxEntry) -> None:
        try:
            await _worked(services, entry)
        finally:
            busy[entry.ehr] -= 1
            wake.set()

    await _tell_unqueued(services)
    async with asyncio.TaskGroup() as works:
        while True:
            wake.clear()
            entry = await _claimed(services, [ehr for ehr, count in busy.items() if count >= AT_ONCE])
            if entry is None:
                await _wait(wake)
            else:
                busy[entry.ehr] += 1
                works.create_task(worked(entry))


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


async def _tell_unqueued(services: "Services") -> None:
    """Say aloud what an earlier version signed and queued nothing of: nobody writes it, and it stays ``signed``."""
    try:
        for draft in await services.store.find(states=("signed",)):
            if never_queued(await services.store.history(draft.id)):
                telemetry.log().error("signed and never queued: see drafts show", draft=draft.id, ehr=draft.ehr)
    except ServiceError as error:
        telemetry.log().error("write-back paused", code=error.code)


async def _claimed(services: "Services", full: Collection[str]) -> OutboxEntry | None:
    try:
        return await services.store.claim(LEASE_S, full)
    except ServiceError as error:
        telemetry.log().error("write-back paused", code=error.code)
        return None


async def _worked(services: "Services", entry: OutboxEntry) -> None:
    try:
        await _held(services, entry)
    except ServiceError as error:
        telemetry.log().error("write-back paused", draft=entry.draft, ehr=entry.ehr, code=error.code)


async def _held(services: "Services", entry: OutboxEntry) -> None:
    try:
        await _contained(services, entry)
    except Conflict as error:
        # Another worker has taken it over: its lease, not ours, decides what is recorded.
        telemetry.log().warning("write-back lease lost", draft=entry.draft, ehr=entry.ehr, code=error.code)


async def _contained(services: "Services", entry: OutboxEntry) -> None:
    """Work on one write-back; a fault of ours in it parks it for a person.

    It stands around a whole task and nothing else. Out of here a fault would end the loop and with it the write-backs
    of every other patient, and the same entry would end it again after each lease, for as long as the order stands.
    """
    try:
        await _work(services, entry)
    except ServiceError:  # the store's: the lease runs out, and another takes it over
        raise
    except Exception:  # noqa: BLE001 - the outermost boundary of one task, as the loop's own is of the loop
        telemetry.log().exception("write-back crashed", draft=entry.draft, ehr=entry.ehr)
        await _finish(services, entry, "parked", {"code": "U-INTERNAL"})


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

    mode, delivery, pause = client.ehr.write_back, None, backoff_s(entry.attempts)
    try:
        async with asyncio.timeout(DELIVERY_S):
            status, meant = (
                str(load_object(entry.order)["status"]),
                signed_for(await services.store.history(entry.draft)),
            )
            await modes.check_writing(client, status, meant)
            delivery = Delivery(client, entry, keep, mode)
            said = await delivery.run()
    except Mismatch as error:
        await _finish(services, entry, "mismatch", {"code": "U-EHR-MISMATCH", "fields": list(error.fields)})
    except EhrRefused as error:
        await _refused(services, entry, error, max(pause, _settling(delivery) if error.http_status >= 500 else 0))
    except TokenRefused as error:
        detail = {"code": error.code, **({"scope": error.scope} if error.scope else {})}
        await _finish(services, entry, "write-failed", detail, pause)
    except EhrFailed as error:
        await _finish(services, entry, "write-failed", {"code": error.code}, max(pause, _settling(delivery)))
    except TimeoutError:
        detail = {"code": "U-EHR-UNREACHABLE"}
        await _finish(services, entry, "write-failed", detail, max(pause, _settling(delivery)))
    except (InputError, BadRequest, ConfigError) as error:
        # Nothing that comes back later by itself: settings, or bytes that cannot be written as they are.
        await _finish(services, entry, "parked", {"code": error.code})
    else:
        # A draft is in force only once the EHR has its own signature, a document once a person has entered it.
        ending: Ending = "confirmed" if mode == "sign-and-write" else "awaiting-ehr-signature"
        await _finish(services, entry, ending, said)


def _settling(delivery: Delivery | None) -> int:
    return SETTLE_S if delivery is not None and delivery.unanswered else 0


async def _refused(services: "Services", entry: OutboxEntry, error: EhrRefused, pause: int) -> None:
    detail = {"code": error.code, "status": error.http_status, **({"scope": error.scope} if error.scope else {})}
    if error.passing:
        asked = error.retry_after_s
        await _finish(services, entry, "write-failed", detail, pause if asked is None else max(asked, 1))
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
