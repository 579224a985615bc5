"""When the same facts are shown again: never over a decision in its time, always after an end that nobody chose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.cds.silence import declined_at, key
from service.drafts.records import AuditEntry, Draft, State
from service.drafts.states import SIGNED, UNSIGNED
from service.settings import Cards

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
FACTS = "a" * 64
ON, OFF = Cards(suppress_for_s=3600), Cards(suppress_overridden=False)


def draft(state: State, *, facts: str = FACTS, minutes: int = 10) -> Draft:
    """Return a draft that came into its state so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    return Draft("d", "north", "Patient/p1", facts, "sertraline", 0, state, 1, b"{}", b"{}", at, NOW, at)


@pytest.mark.parametrize(
    ("drafts", "settings", "again"),
    [
        ([], ON, False),
        *[([draft(state)], one, False) for state in (*UNSIGNED, *SIGNED) for one in (ON, OFF)],
        ([draft("overridden", minutes=59)], ON, False),
        ([draft("overridden", minutes=60)], ON, True),
        ([draft("overridden", minutes=1)], OFF, True),
        ([draft("withdrawn", minutes=59)], ON, False),
        ([draft("expired")], ON, True),
        ([draft("superseded")], ON, True),
        ([draft("superseded"), draft("signed")], OFF, False),
        ([draft("expired"), draft("overridden", minutes=59)], ON, False),
        ([draft("overridden", facts="b" * 64, minutes=1)], ON, False),
    ],
)
def test_the_key_is_new_where_the_last_set_has_lapsed(drafts: list[Draft], settings: Cards, again: bool) -> None:
    """Open, signed and freshly declined sets keep their key; what ran out or is old gets another one."""
    assert (key(FACTS, drafts, NOW, settings) != FACTS) is again


def test_a_chain_of_lapsed_sets_ends_at_a_key_of_its_own() -> None:
    """Each lapsed set leads to the next key, and an open set under that key is found again."""
    first = draft("expired", minutes=300)
    second = key(FACTS, [first], NOW, ON)
    held = replace(draft("held", minutes=5), facts=second)
    assert key(FACTS, [first, held], NOW, ON) == second
    third = key(FACTS, [first, replace(held, state="expired")], NOW, ON)
    assert len({FACTS, second, third}) == 3


def test_the_same_history_gives_the_same_key() -> None:
    """Two workers that open the chart at the same time hold under one key."""
    drafts = [draft("expired", minutes=300), draft("superseded", minutes=200)]
    assert key(FACTS, drafts, NOW, ON) == key(FACTS, list(reversed(drafts)), NOW + timedelta(seconds=1), ON)


OPTIONS, SELECT = "psychotropic-options", "psychotropic-order-select"


def entry(event: str, **detail: str) -> AuditEntry:
    """Return an entry of a draft's chain."""
    return AuditEntry("d", 1, NOW, event, "somebody", {"given": detail, "state": event}, "", "")


@pytest.mark.parametrize(
    ("history", "here"),
    [
        ([entry("presented", card="1", service=OPTIONS), entry("overridden", card="1")], True),
        ([entry("presented", card="1", service=SELECT), entry("overridden", card="1")], False),
        ([entry("presented", card="1"), entry("overridden", card="1")], True),
        ([entry("overridden")], True),
        ([entry("withdrawn", by="an attestation")], True),
        (
            [
                entry("presented", card="1", service=OPTIONS),
                entry("presented", card="2", service=SELECT),
                entry("overridden", card="2"),
            ],
            False,
        ),
        (
            [
                entry("presented", card="1", service=OPTIONS),
                entry("presented", card="2", service=SELECT),
                entry("overridden", card="2"),
                entry("overridden", card="1"),
            ],
            True,
        ),
    ],
)
def test_what_is_declined_on_one_services_card_is_declined_there(history: list[AuditEntry], here: bool) -> None:
    """A card of another service silences nothing here; what was declined on no known card counts everywhere."""
    assert declined_at(history, OPTIONS) is here


def test_what_was_declined_elsewhere_lapses_at_once() -> None:
    """The next key follows although the decision is fresh, and a decision of one's own keeps the key."""
    one = draft("overridden", minutes=1)
    assert key(FACTS, [one], NOW, ON, frozenset({one.id})) != FACTS
    assert key(FACTS, [one], NOW, ON) == FACTS
