"""The table of states."""

import pytest

from service.drafts import states


@pytest.mark.parametrize("event", states.EVENTS)
def test_every_event_has_a_row_and_leads_only_to_known_states(event: str):
    """No event is without a row, and no row leads to a state that is not in the protocol."""
    row = states.TRANSITIONS[event]
    assert row
    assert set(row.values()) <= set(states.STATES)


def test_every_state_belongs_to_exactly_one_group():
    """Unsigned, signed and ended share no state and leave none out."""
    groups = [*states.UNSIGNED, *states.SIGNED, *states.ENDED]
    assert sorted(groups) == sorted(states.STATES)


def test_only_signing_leads_from_unsigned_to_signed():
    """No event but ``signed`` takes a draft into a signed state from outside them."""
    crossings = {
        event
        for event, row in states.TRANSITIONS.items()
        for before, after in row.items()
        if before not in states.SIGNED and after in states.SIGNED
    }
    assert crossings == {"signed"}


@pytest.mark.parametrize("ended", states.ENDED)
def test_nothing_leaves_an_ended_state(ended: states.State):
    """An ended draft stays what it is, whatever comes after."""
    assert {row[ended] for row in states.TRANSITIONS.values() if ended in row} == {ended}


@pytest.mark.parametrize("signed", states.SIGNED)
def test_nothing_takes_a_signature_back(signed: states.State):
    """No event leads from a signed state to one that is not."""
    assert {row[signed] for row in states.TRANSITIONS.values() if signed in row} <= set(states.SIGNED)


def test_every_state_can_be_reached_from_nothing():
    """The table has no state that no chain of events leads to."""
    reached: set[object] = {None}
    for _ in states.STATES:
        reached |= {row[before] for row in states.TRANSITIONS.values() for before in row if before in reached}
    assert reached - {None} == set(states.STATES)


@pytest.mark.parametrize(
    ("event", "before", "after"),
    [
        ("held", None, "held"),
        ("presented", "held", "presented"),
        ("presented", "accepted", "accepted"),
        ("accepted", "held", "accepted"),
        ("accepted", "modified", "modified"),
        ("presented", "modified", "modified"),
        ("modified", "held", "modified"),
        ("modified", "accepted", "modified"),
        ("modified", "signed", None),
        ("signed", "modified", "signed"),
        ("expired", "modified", "expired"),
        ("overridden", "signed", "signed"),
        ("withdrawn", "presented", "withdrawn"),
        ("superseded", "signed", None),
        ("expired", "accepted", "expired"),
        ("prepared", "overridden", None),
        ("signed", "signed", None),
        ("signed", "expired", None),
        ("claimed", "write-failed", "writing"),
        ("claimed", "parked", None),
        ("written", "writing", "written"),
        ("confirmed", "signed", None),
        ("confirmed", "written", "confirmed"),
        ("nonsense", "held", None),
    ],
)
def test_named_steps(event: str, before: states.State | None, after: states.State | None):
    """The steps of the life of a draft lead where the drawing says."""
    assert states.after(event, before) == after
