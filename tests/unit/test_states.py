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


def test_only_signing_or_the_ehrs_own_signature_leads_on_from_unsigned():
    """No event but ``signed``, and ``awaited`` to wait for the EHR's signature, leads out of the unsigned states."""
    crossings = {
        (event, after)
        for event, row in states.TRANSITIONS.items()
        for before, after in row.items()
        if before not in states.SIGNED and after in states.SIGNED
    }
    assert crossings == {("signed", "signed"), ("awaited", "awaiting-ehr-signature")}


def test_a_state_is_with_a_signature_without_or_either():
    """What is unsigned never has a signature, what waits and what is confirmed may, all else that is signed must."""
    fits = {state: (states.signature_fits(state, signed=False), states.signature_fits(state, signed=True))
            for state in states.STATES}  # fmt: skip
    assert {state for state, fit in fits.items() if fit == (True, True)} == set(states.EITHER)
    assert {state for state, fit in fits.items() if fit == (False, True)} == set(states.WITH_SIGNATURE)
    assert all(fits[state] == (True, False) for state in (*states.UNSIGNED, "superseded", "expired"))


def test_only_events_that_need_no_signature_of_ours_lead_to_what_needs_one():
    """An event into a state that must have a signature starts in one that may have it, or is ``signed``."""
    for event, row in states.TRANSITIONS.items():
        for before, after in row.items():
            if event != "signed" and after in states.WITH_SIGNATURE:
                assert before in (*states.WITH_SIGNATURE, *states.EITHER), (event, before)


@pytest.mark.parametrize("ended", states.ENDED)
def test_nothing_leaves_an_ended_state(ended: states.State):
    """An ended draft stays what it is, whatever comes after."""
    assert {row[ended] for row in states.TRANSITIONS.values() if ended in row} == {ended}


@pytest.mark.parametrize("signed", states.WITH_SIGNATURE)
def test_nothing_takes_a_signature_back(signed: states.State):
    """No event leads from a state that must have a signature to one that has none."""
    reached = {row[signed] for row in states.TRANSITIONS.values() if signed in row}
    assert reached <= {*states.WITH_SIGNATURE, *states.EITHER}


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
        ("awaited", "accepted", "awaiting-ehr-signature"),
        ("awaited", "modified", "awaiting-ehr-signature"),
        ("awaited", "written", "awaiting-ehr-signature"),
        ("awaited", "writing", "awaiting-ehr-signature"),
        ("awaited", "held", None),
        ("awaited", "signed", None),
        ("accepted", "awaiting-ehr-signature", "awaiting-ehr-signature"),
        ("overridden", "awaiting-ehr-signature", "awaiting-ehr-signature"),
        ("confirmed", "awaiting-ehr-signature", "confirmed"),
        ("superseded", "awaiting-ehr-signature", "superseded"),
        ("expired", "awaiting-ehr-signature", "expired"),
        ("mismatch", "awaiting-ehr-signature", "mismatch"),
        ("parked", "awaiting-ehr-signature", "parked"),
        ("signed", "awaiting-ehr-signature", None),
        ("claimed", "awaiting-ehr-signature", None),
        ("released", "parked", "signed"),
        ("released", "mismatch", "signed"),
        ("released", "write-failed", "signed"),
        ("released", "writing", None),
        ("released", "confirmed", None),
        ("resolved", "mismatch", "confirmed"),
        ("resolved", "signed", "confirmed"),
        ("resolved", "writing", None),
        ("revoked", "signed", "revoked"),
        ("revoked", "write-failed", "revoked"),
        ("revoked", "parked", "revoked"),
        ("revoked", "mismatch", None),
        ("revoked", "writing", None),
        ("revoked", "held", None),
        ("signed", "revoked", None),
        ("nonsense", "held", None),
    ],
)
def test_named_steps(event: str, before: states.State | None, after: states.State | None):
    """The steps of the life of a draft lead where the drawing says."""
    assert states.after(event, before) == after
