"""Orders that wait for a person in the EHR: it is read until it shows them in force, or the time is up.

An accepted card is no signature, and neither is an order that was written as a draft, or a document that a person has
to enter. What is looked for is an active order of the same drug and daily dose, made after the draft; the one that
this service wrote is read by its id. An EHR that cannot say has not said no: nothing expires on that.
"""

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from fhir_adapters.errors import InputError
from service import telemetry
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.commit.outbox_steps import ORDER_STEP
from service.drafts.commit.settling import Read
from service.drafts.records import AuditEntry, Draft
from service.drafts.states import AWAITING
from service.ehr import delivery, documents, in_force
from service.errors import Conflict, ServiceError

if TYPE_CHECKING:
    from service.bootstrap import Services

POLL_S: Final = 10.0
FIRST_S: Final = 15
LONGEST_S: Final = 600
_MOST: Final = 10_000
_LOOK_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when a draft waits, and the reference of what this service wrote of it."""

    since: datetime
    order: str | None


async def run(services: "Services") -> None:
    """Follow what waits until cancelled: each tenant in a task of its own, so that no slow EHR holds up the others."""
    waits: dict[str, Wait] = {}
    looked: dict[str, int] = {}
    busy: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tenants:
        while True:
            for ehr, drafts in (await _polled(services, waits, looked)).items():
                if ehr not in busy or busy[ehr].done():
                    busy[ehr] = tenants.create_task(_of_tenant(services, drafts, waits, looked))
            await asyncio.sleep(POLL_S)


async def once(services: "Services", waits: MutableMapping[str, Wait], looked: MutableMapping[str, int]) -> None:
    """Look at each draft whose next look has come; ``waits`` and ``looked`` are this process's memory."""
    found = await _waiting(services, waits, looked)
    await asyncio.gather(*(_of_tenant(services, drafts, waits, looked) for drafts in found.values()))


async def _polled(
    services: "Services", waits: MutableMapping[str, Wait], looked: MutableMapping[str, int]
) -> Mapping[str, Sequence[Draft]]:
    try:
        return await _waiting(services, waits, looked)
    except ServiceError as error:
        telemetry.log().error("following paused", code=error.code)
        return {}


async def _waiting(
    services: "Services", waits: MutableMapping[str, Wait], looked: MutableMapping[str, int]
) -> Mapping[str, Sequence[Draft]]:
    """Return what waits, by tenant; what no longer does is forgotten."""
    drafts = await services.store.find(states=(AWAITING,), limit=_MOST)
    for gone in waits.keys() - {draft.id for draft in drafts}:
        waits.pop(gone)
        looked.pop(gone, None)
    found: dict[str, list[Draft]] = {}
    for draft in drafts:
        found.setdefault(draft.ehr, []).append(draft)
    return found


async def _of_tenant(
    services: "Services",
    drafts: Sequence[Draft],
    waits: MutableMapping[str, Wait],
    looked: MutableMapping[str, int],
) -> None:
    """Look at one tenant's drafts, one after the other; an error of the store ends this turn only."""
    try:
        for draft in drafts:
            wait = waits.get(draft.id) or wait_of(await services.store.history(draft.id), draft)
            waits[draft.id], now = wait, await services.store.now()
            number = look_number(now - wait.since)
            if number > looked.get(draft.id, 0):
                looked[draft.id] = number
                await _turn(services, draft, wait, number, now)
    except ServiceError as error:
        telemetry.log().error("following paused", code=error.code)


def look_number(waited: timedelta) -> int:
    """Return how many looks are due after a time of waiting: after 15, 45, 105 … seconds, then every ten minutes."""
    number, pause, left = 0, FIRST_S, waited.total_seconds()
    while left >= pause:
        number, left, pause = number + 1, left - pause, min(2 * pause, LONGEST_S)
    return number


def wait_of(history: Iterable[AuditEntry], draft: Draft) -> Wait:
    """Return the wait that a chain tells of."""
    since, order = draft.updated, None
    for entry in history:
        order = entry.detail.get("step", {}).get(ORDER_STEP, order)
        since = entry.at if entry.event == "awaited" else since
    return Wait(since, order)


async def _turn(services: "Services", draft: Draft, wait: Wait, number: int, now: datetime) -> None:
    """Take one look, by whichever worker asks for it first; the last one is when the time is up."""
    late = now - wait.since >= timedelta(seconds=services.settings.hold.follow_up_s)
    turn = f"{draft.id} {wait.since.isoformat()} {number}"
    if await services.store.seen("follow-up", turn, now + timedelta(seconds=2 * LONGEST_S)):
        return
    found = await _look(services, draft, wait)
    if isinstance(found, in_force.Found):
        await _settle(services, draft, found.ending, {"by": "order-in-EHR", **_fields(found.fields)})
    elif late:
        await _late(services, draft, wait, found)


async def _late(services: "Services", draft: Draft, wait: Wait, found: Literal["unclear"] | None) -> None:
    """End a wait whose time is up; where the EHR could not say, a person looks, or it is asked further."""
    code = "U-EHR-NOT-ENTERED" if (wait.order or "").startswith(f"{documents.KIND}/") else "U-EHR-UNSIGNED"
    if found == "unclear":
        code = "U-EHR-UNCLEAR"
        if await services.store.signature(draft.id) is None:
            telemetry.log().error("EHR not followed in time", draft=draft.id, ehr=draft.ehr, code=code)
            return
    await _settle(
        services, draft, "expired", {"by": "time", "after_s": services.settings.hold.follow_up_s, "code": code}
    )


async def _look(services: "Services", draft: Draft, wait: Wait) -> in_force.Found | Literal["unclear"] | None:
    """Return what the EHR shows, None where it shows no such order, ``unclear`` where it cannot say."""
    client = services.clients.get(draft.ehr)
    if client is None:
        return "unclear"
    signature = await services.store.signature(draft.id)
    try:
        async with asyncio.timeout(_LOOK_S):
            written = wait.order or ""
            if signature is not None and written.startswith(f"{delivery.ORDER}/"):
                found = await in_force.as_written(client, written, signature.order)
                if found != "elsewhere":
                    return found
            order = draft.resource if signature is None else signature.order
            return await in_force.among(client, services.profiles[draft.ehr], draft, order)
    except (ServiceError, InputError) as error:
        telemetry.log().warning("EHR not followed", draft=draft.id, ehr=draft.ehr, code=error.code)
    except TimeoutError:
        telemetry.log().warning("EHR not followed", draft=draft.id, ehr=draft.ehr, code="U-EHR-UNREACHABLE")
    return "unclear"


async def _settle(services: "Services", draft: Draft, ending: Read, detail: Mapping[str, Any]) -> None:
    try:
        settled = await services.store.settle(draft.id, ending, SERVICE_ACTOR, detail)
    except Conflict as error:  # another worker saw the same
        telemetry.log().info("settled elsewhere", draft=draft.id, ehr=draft.ehr, code=error.code)
        return
    telemetry.FOLLOWED.labels(settled.state).inc()
    telemetry.log().info("order followed", draft=draft.id, ehr=draft.ehr, state=settled.state)


def _fields(fields: Sequence[str]) -> dict[str, list[str]]:
    return {"fields": list(fields)} if fields else {}
