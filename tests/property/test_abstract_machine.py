"""Every order of what can happen to a draft, explored to a fixpoint over the shipped steps and the shipped writer."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from service.drafts import operators, states
from service.drafts.commit import checks, outbox_steps, register_steps
from service.ehr import writeback
from service.ehr.delivery import Delivery
from tests.property import abstract_writer
from tests.property.abstract_machine import Breach, explore
from tests.property.abstract_world import Rules

EHRS = ("honest", "altering", "nameless", "racy")
LIVES = [
    *(Rules(ehr=ehr, write_back=mode, versions=3) for ehr in EHRS for mode in ("sign-and-write", "unsigned-order")),
    Rules(writers=2, paused=True, people=False),
    Rules(late=True, people=False),
    Rules(drafts=2, consent=True, versions=1),
]


def _named(one: object) -> str:
    """Return what tells these rules from the usual ones."""
    if not isinstance(one, Rules):
        return one if isinstance(one, str) else ""
    usual = Rules()
    found = {name: value for name, value in vars(one).items() if value != getattr(usual, name)}
    return ",".join(f"{name}={value}" for name, value in found.items()) or "usual"


@pytest.mark.parametrize("rules", LIVES, ids=_named)
def test_no_order_of_events_breaks_an_invariant(rules: Rules) -> None:
    """I1–I9 hold in every state that can be reached, and of each signed order the writer alone comes to an end."""
    found = explore(rules)
    sys.stdout.write(f"{_named(rules)}: {len(found.worlds)} states, {sum(map(len, found.edges.values()))} steps\n")
    assert found.never_settle() == []
    assert {"held", "presented", "signed", "superseded", "expired", states.AWAITING} <= found.states()
    if rules.consent:
        assert "withdrawn" in found.states()
        return
    assert set(states.STATES) - {"revoked", "mismatch"} <= found.states()
    assert ("revoked" in found.states()) == rules.people


def _allowing(event: str, *moves: tuple[Any, Any]) -> Mapping[str, Any]:
    changed: dict[str, Any] = {**states.TRANSITIONS, event: {**states.TRANSITIONS[event], **dict(moves)}}
    return MappingProxyType(changed)


def _anything(*_: object) -> None: ...


async def _none(_self: Delivery) -> list[str]:
    return []


async def _not_asked(*_: object) -> int:
    return 1


def _whoever(tx: Any, entry: Any) -> Any:
    return tx.outbox(entry.draft)


# Some checks are left out here because another one holds where they fail: the table of states alone lets nothing be
# signed twice, and what a refusal withdraws is not signed for that too.
BROKEN: list[tuple[Any, str, Any, Rules, str]] = [
    (checks, "unsigned", _anything, Rules(), "I8"),
    (checks, "signable", _anything, Rules(), "I7"),
    (states, "TRANSITIONS", _allowing("accepted", ("held", "signed")), Rules(), "I9"),
    (operators, "check_not_there", _not_asked, Rules(), "I3"),
    (Delivery, "_ours", _none, Rules(ehr="racy"), "I5"),
    (outbox_steps, "_leased", _whoever, Rules(writers=2, paused=True, people=False), "fencing"),
    (register_steps, "_withheld", lambda _: False, Rules(drafts=2, consent=True, versions=1), "open"),
]


@pytest.mark.parametrize(("owner", "name", "instead", "rules", "breach"), BROKEN, ids=_named)
def test_without_one_check_the_exploration_finds_the_breach(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, instead: Any, rules: Rules, breach: str
) -> None:
    """With one of the checks taken out a way is found on which an invariant breaks, and it is that one."""
    monkeypatch.setattr(owner, name, instead)
    abstract_writer.forget()
    try:
        with pytest.raises(Breach, match=breach):
            explore(rules)
    finally:
        monkeypatch.undo()
        abstract_writer.forget()


@pytest.mark.parametrize(
    ("rules", "breach"),
    [(Rules(writers=2, paused=True), "I3"), (Rules(writers=2, paused=True, people=False, ehr="racy"), "I5")],
    ids=_named,
)
def test_what_the_time_of_a_delivery_is_for(rules: Rules, breach: str) -> None:
    """A writer that went on after its lease could write what was revoked, or a second order at an EHR that allows one.

    So a delivery ends before its lease does.
    """
    with pytest.raises(Breach, match=breach):
        explore(rules)
    assert writeback.DELIVERY_S < writeback.LEASE_S


def test_a_create_that_is_still_on_its_way_is_what_nobody_can_take_back() -> None:
    """The one way to an order that was revoked: its create came to the EHR after the EHR was searched for it."""
    with pytest.raises(Breach, match=r"I3.*create hangs.*look > revoke > late create"):
        explore(Rules(late=True))
