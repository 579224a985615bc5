"""The canonical form of JSON."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.errors import InputError
from service.drafts.canonical_json import digest, dumps, instant, load_object, loads, read_instant

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | decimals | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (b'{ "b": 1, "a": [ 1 , 2 ] }', b'{"a":[1,2],"b":1}'),
        (b"0.50", b"0.50"),
        (b"100.500", b"100.500"),
        (b"1.10E2", b"110"),
        (b"1E-2", b"0.01"),
        (b"12345678901234567890.12", b"12345678901234567890.12"),
        (b'"\\u00e9\\n\\u0001"', '"é\\n\\u0001"'.encode()),
        (b'{"z":null,"a":true}', b'{"a":true,"z":null}'),
    ],
)
def test_canonical_form(written: bytes, canonical: bytes):
    """Keys are sorted, white space goes, numbers keep their digits."""
    assert dumps(loads(written)) == canonical


@pytest.mark.parametrize(("value", "text"), [(37.5, b"37.5"), (50.0, b"50.0"), (1e-07, b"0.0000001")])
def test_a_computed_float_is_written_as_its_shortest_decimal(value: float, text: bytes):
    """A float of our own computing is written without its binary noise."""
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"a":1,"a":2}', "U-JSON-DUPLICATE-KEY"),
        (b"NaN", "U-JSON-NUMBER"),
        (b"-Infinity", "U-JSON-NUMBER"),
        (b"1e99999999999999999999", "U-JSON-NUMBER"),
        (b"1e-99999999999999999999", "U-JSON-NUMBER"),
        (b'{"a":', "U-JSON-SYNTAX"),
        (b"\xff", "U-JSON-ENCODING"),
        (b"[" * 100_000, "U-JSON-DEPTH"),
        (b"1" * 5_000, "U-JSON-SYNTAX"),
    ],
)
def test_what_is_not_plain_json_is_refused_by_name(raw: bytes, code: str):
    """Duplicate names, non-numbers, broken text and depth each have their code."""
    with pytest.raises(InputError) as caught:
        loads(raw)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "U-JSON-NUMBER"),
        (float("inf"), "U-JSON-NUMBER"),
        (Decimal("1e300"), "U-JSON-NUMBER"),
        (Decimal("NaN"), "U-JSON-NUMBER"),
        ("\ud800", "U-JSON-ENCODING"),
        ({1: "a"}, "U-JSON-TYPE"),
        ({"a": b"bytes"}, "U-JSON-TYPE"),
        ({"a": {1, 2}}, "U-JSON-TYPE"),
    ],
)
def test_what_json_cannot_say_is_not_written(value: object, code: str):
    """Nothing is written that would read back as something else."""
    with pytest.raises(InputError) as caught:
        dumps(value)
    assert caught.value.code == code


def test_nesting_beyond_the_limit_is_refused_when_writing():
    """A value nested deeper than 64 levels is refused, not a crash."""
    value: object = 1
    for _ in range(70):
        value = [value]
    with pytest.raises(InputError, match="U-JSON-DEPTH"):
        dumps(value)


def test_an_object_is_asked_for_by_name():
    """A list where an object is needed is refused."""
    with pytest.raises(InputError, match="U-JSON-SYNTAX"):
        load_object(b"[]")


@given(values)
def test_reading_back_gives_the_same_bytes(value: object):
    """Canonical bytes are a fixed point: read and written again they do not change."""
    once = dumps(value)
    assert dumps(loads(once)) == once


def test_a_digest_has_the_documented_form():
    """The digest of nothing is the known SHA-256 in base64url without padding."""
    assert digest(b"") == "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-14, 14))
def test_times_read_back_and_sort_as_text(at: datetime, offset: int):
    """A time in any zone is written in UTC, at one width, and reads back as the same instant."""
    aware = at.replace(tzinfo=timezone(timedelta(hours=offset)))
    text = instant(aware)
    assert read_instant(text) == aware
    assert len(text) == len("2026-11-22T10:00:00.000000Z")
    assert (text < instant(datetime(2026, 1, 1, tzinfo=UTC))) == (aware < datetime(2026, 1, 1, tzinfo=UTC))
