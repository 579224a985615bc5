"""What is entered when a switch is pulled, and what the operators are told of the switches of a tenant."""

from collections import Counter
from typing import Any

from service.drafts.canonical_json import instant
from service.drafts.registers import RegisterStore
from service.switches import in_force
from service.switches.in_force import COUNTED, EVERYWHERE, PULLED, SHADOW, Switch

ALL = "all"  # how a person names the whole service


async def pull(
    store: RegisterStore, subject: str, ehr: str, by: str, reason: str, *, pulled: bool
) -> tuple[Switch, bool]:
    """Enter that a switch acts, or does not; nothing is entered where it stands so already."""
    known = await store.registered("switch", ehr=ehr, subject=subject)
    last = in_force.read(known[0]) if known else None
    if last is not None and last.pulled == pulled:
        return last, False
    detail = {PULLED: pulled, "reason": reason}
    event = "stopped" if pulled else "started"
    after = last.seq if last else 0
    return in_force.read(await store.enter("switch", ehr, subject, event, by, detail, after=after)), True


async def rows(store: RegisterStore) -> list[dict[str, Any]]:
    """Return every switch that was ever pulled, by tenant and subject."""
    found = [in_force.read(one) for one in await store.registered("switch") if not one.subject.startswith(COUNTED)]
    return [row(one) for one in sorted(found, key=lambda one: (one.ehr, one.subject))]


def row(one: Switch) -> dict[str, Any]:
    """Return a switch as the command line prints it."""
    return {
        "ehr": one.ehr or ALL,
        "switch": one.subject,
        "state": ("shadow" if one.subject.startswith(SHADOW) else "stopped") if one.pulled else "on",
        "since": instant(one.since),
        "by": one.by,
        "reason": one.reason,
    }


async def acting(store: RegisterStore, ehr: str) -> list[Switch]:
    """Return the switches that act at a tenant, its own and those of the whole service."""
    found = [one for one in await store.registered("switch") if one.ehr in (ehr, EVERYWHERE)]
    return [one for one in map(in_force.read, found) if one.pulled]


async def shown(store: RegisterStore, ehr: str) -> dict[str, Any]:
    """Return what acts at a tenant, every entry of its switches, and what shadow calls came to."""
    found = [one for one in await store.registered("switch") if one.ehr in (ehr, EVERYWHERE)]
    switches = [one for one in found if not one.subject.startswith(COUNTED)]
    acting = [one for one in map(in_force.read, switches) if one.pulled]
    history = [
        {"ehr": one.ehr or ALL, "switch": one.subject, "event": entry.event, "at": instant(entry.at), "by": entry.actor}
        | {"reason": str(entry.detail.get("reason", ""))}
        for one in switches
        for entry in await store.entries(one.id)
    ]
    counted = [one for one in found if one.subject.startswith(COUNTED)]
    return {
        "ehr": ehr or ALL,
        "acting": [row(one) for one in acting],
        "shadow": [await _counted(store, one.id, one.subject) for one in counted],
        "history": sorted(history, key=lambda one: one["at"]),
    }


async def _counted(store: RegisterStore, register: str, subject: str) -> dict[str, Any]:
    entries = await store.entries(register)
    outcomes = Counter(str(entry.detail.get("outcome", "")) for entry in entries)
    return {
        "service": subject.removeprefix(COUNTED),
        "evaluated": len(entries),
        "since": instant(entries[0].at),
        "last": instant(entries[-1].at),
        "outcomes": dict(sorted(outcomes.items())),
    }
