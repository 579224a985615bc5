"""Sealed records: what was moved, changed or made elsewhere does not open."""

from hypothesis import given
from hypothesis import strategies as st

from service.smart.sealing import Sealer

SEALER = Sealer(b"one service's secret")
PLACE = "session" + "a" * 64


@given(plain=st.binary(max_size=200), about=st.text(max_size=50))
def test_a_record_opens_in_its_place(plain: bytes, about: str) -> None:
    """What was sealed for a place opens there, byte for byte."""
    assert SEALER.open(SEALER.seal(plain, about), about) == plain


@given(plain=st.binary(max_size=50), about=st.text(max_size=20), elsewhere=st.text(max_size=20))
def test_a_record_that_was_moved_does_not_open(plain: bytes, about: str, elsewhere: str) -> None:
    """Under any other key of the store a record is nothing: one session cannot be put in place of another."""
    opened = SEALER.open(SEALER.seal(plain, about), elsewhere)
    assert opened == (plain if about == elsewhere else None)


def test_a_record_that_was_changed_by_one_byte_does_not_open() -> None:
    """Each single byte changed, taken away or added makes it nothing."""
    sealed = SEALER.seal(b"a practitioner's session", PLACE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert SEALER.open(changed, PLACE) is None
        assert SEALER.open(sealed[:at], PLACE) is None
    assert SEALER.open(sealed + b"\0", PLACE) is None


def test_another_services_key_opens_nothing() -> None:
    """A record of one service does not open with the secret of another."""
    assert Sealer(b"another secret").open(SEALER.seal(b"x", PLACE), PLACE) is None


def test_the_same_record_is_sealed_differently_each_time() -> None:
    """Two seals of one record differ, and neither shows it."""
    first, second = (SEALER.seal(b"access-token", PLACE) for _ in range(2))
    assert first != second
    assert b"access-token" not in first + second
