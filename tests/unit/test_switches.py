"""What a switch brings about, told by its entries alone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.drafts.records import AuditEntry
from service.drafts.registers import Kind, Registered
from service.errors import Conflict, Unavailable
from service.switches import in_force, records

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
SERVICE = "psychotropic-options"


class Registers:
    """Registers in memory, a minute between two entries."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Kind, str, str], list[AuditEntry]] = {}

    async def enter(
        self,
        kind: Kind,
        ehr: str,
        subject: str,
        event: str,
        actor: str,
        detail: Mapping[str, Any],
        *,
        after: int | None = None,
    ) -> Registered:
        """Append the next entry."""
        chain = self._kept.setdefault((kind, ehr, subject), [])
        if after not in (None, len(chain)):
            raise Conflict("U-REGISTER-MOVED", "another entry was made")
        at = NOW + timedelta(minutes=sum(map(len, self._kept.values())))
        identity = f"{ehr}/{subject}"
        chain.append(AuditEntry(identity, len(chain) + 1, at, event, actor, dict(detail), "", ""))
        return Registered(identity, kind, ehr, subject, chain[-1])

    async def forget(self, chains: Sequence[Registered], ehr: str, actor: str, detail: Mapping[str, Any]) -> Registered:
        """Remove nothing: switches are never forgotten."""
        raise NotImplementedError

    async def registered(
        self, kind: Kind, *, ehr: str | None = None, subject: str | None = None
    ) -> Sequence[Registered]:
        """Return the last entries."""
        return [
            Registered(f"{of}/{what}", one, of, what, chain[-1])
            for (one, of, what), chain in self._kept.items()
            if one == kind and ehr in (None, of) and subject in (None, what)
        ]

    async def entries(self, register: str) -> Sequence[AuditEntry]:
        """Return a chain."""
        return next(chain for (_, ehr, what), chain in self._kept.items() if f"{ehr}/{what}" == register)

    async def heads(self) -> Sequence[tuple[str, int, str]]:
        """Return nothing."""
        return ()


def after(*steps: tuple[str, str, bool], ehr: str = "north") -> in_force.InForce:
    """Return what acts at a tenant after steps of (tenant, subject, pulled)."""

    async def run() -> in_force.InForce:
        store = Registers()
        for where, subject, pulled in steps:
            await records.pull(store, subject, where, "A. Person", "a reason", pulled=pulled)
        return await in_force.of(store, ehr)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("steps", "stopped"),
    [
        ([], False),
        ([("north", "tenant", True)], True),
        ([("south", "tenant", True)], False),
        ([("", "tenant", True)], True),
        ([("north", "tenant", True), ("north", "tenant", False)], False),
        ([("", "tenant", True), ("north", "tenant", False)], True),
        ([("north", "tenant", True), ("", "tenant", False)], True),
        ([("north", "model", True), ("north", "drug:sertraline", True)], False),
    ],
)
def test_a_tenant_is_stopped_by_its_own_switch_or_that_of_the_whole_service(
    steps: list[tuple[str, str, bool]], stopped: bool
) -> None:
    """The last entry of each register says what holds, and starting one of the two leaves the other pulled."""
    found = after(*steps)
    assert (found.tenant is not None) is stopped
    if stopped:
        with pytest.raises(Unavailable) as refused:
            found.check_on()
        assert refused.value.code == "U-SWITCHED-OFF"
    else:
        found.check_on()


@pytest.mark.parametrize(
    ("subject", "shadowed", "other"),
    [(f"shadow:{SERVICE}", True, False), ("shadow:*", True, True), ("shadowed:x", False, False)],
)
def test_shadow_mode_is_of_one_service_or_of_all(subject: str, shadowed: bool, other: bool) -> None:
    """A service's own shadow leaves the others in the light; what was counted is no switch."""
    found = after(("north", subject, True))
    assert found.shadows(SERVICE) is shadowed
    assert found.shadows("psychotropic-order-sign") is other


def test_a_stopped_drug_is_told_by_its_name_and_day() -> None:
    """The reason on a card names the drug and since when, and not what the operator wrote."""
    found = after(("north", "drug:selegiline_transdermal", True))
    assert found.withheld() == {
        "selegiline_transdermal": "Selegiline transdermal is switched off at this site since 2026-11-22."
    }


def test_pulling_what_is_pulled_enters_nothing() -> None:
    """The same word twice is one entry; the first one stays the one that says who and when."""

    async def run() -> None:
        store = Registers()
        first, new = await records.pull(store, "model", "north", "A", "one", pulled=True)
        again, more = await records.pull(store, "model", "north", "B", "two", pulled=True)
        assert (new, more) == (True, False)
        assert again == first

    asyncio.run(run())


def test_a_drug_that_was_never_stopped_can_be_said_to_be_on() -> None:
    """Starting what nobody stopped is on record too: somebody decided it."""
    assert after(("north", "drug:sertraline", False)).drugs == {}


def test_what_is_shown_counts_shadow_calls_by_outcome() -> None:
    """The operators read how many calls were evaluated, since when, and what they came to."""

    async def run() -> dict[str, Any]:
        store = Registers()
        await records.pull(store, "shadow:*", "north", "A", "trial", pulled=True)
        for outcome in ("options", "nothing-to-say", "options"):
            told = {"outcome": outcome}
            await store.enter("switch", "north", f"shadowed:{SERVICE}", "evaluated", "Device/undersign", told)
        assert [one["switch"] for one in await records.rows(store)] == ["shadow:*"]
        return await records.shown(store, "north")

    found = asyncio.run(run())
    assert found["acting"][0]["state"] == "shadow"
    assert found["shadow"] == [
        {
            "service": SERVICE,
            "evaluated": 3,
            "since": "2026-11-22T10:43:00.000000Z",
            "last": "2026-11-22T10:45:00.000000Z",
            "outcomes": {"nothing-to-say": 1, "options": 2},
        }
    ]
