"""Strict JSON: what is refused, under which code, and what is not."""

import pytest

from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json

REFUSED = {
    "nothing": (b"", "U-JSON-SYNTAX"),
    "truncated": (b'{"resourceType": "Pat', "U-JSON-SYNTAX"),
    "trailing": (b"{} {}", "U-JSON-SYNTAX"),
    "comma": (b"[1,]", "U-JSON-SYNTAX"),
    "leading zero": (b"[01]", "U-JSON-SYNTAX"),
    "control character": (b'["\x01"]', "U-JSON-SYNTAX"),
    "XML": (b"<Patient/>", "U-JSON-SYNTAX"),
    "escaped quote only": (b'"\\"', "U-JSON-SYNTAX"),
    "not UTF-8": (b'["\xff"]', "U-JSON-ENCODING"),
    "Latin-1": ('{"text": "Müller"}'.encode("latin-1"), "U-JSON-ENCODING"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "U-JSON-ENCODING"),
    "byte order mark": (b"\xef\xbb\xbf{}", "U-JSON-ENCODING"),
    "lone surrogate": (b'["\\ud83d"]', "U-JSON-ENCODING"),
    "surrogates turned round": (b'["\\ude00\\ud83d"]', "U-JSON-ENCODING"),
    "duplicate key": (b'{"dose": 1, "dose": 2}', "U-JSON-DUPLICATE-KEY"),
    "duplicate key below": (b'{"a": [{"b": {"c": 1, "c": 1}}]}', "U-JSON-DUPLICATE-KEY"),
    "duplicate key, escaped": (b'{"dose": 1, "d\\u006fse": 2}', "U-JSON-DUPLICATE-KEY"),
    "duplicate key beside an escaped mark": (
        b'{"a": "\\u0022\\u0022", "dose": 1, "dose": 2}',
        "U-JSON-DUPLICATE-KEY",
    ),
    "NaN": (b'{"value": NaN}', "U-JSON-NUMBER"),
    "infinity": (b"[-Infinity]", "U-JSON-NUMBER"),
    "too large": (b"[1e309]", "U-JSON-NUMBER"),
    "too many digits": (b"[" + b"1" * 5000 + b"]", "U-JSON-NUMBER"),
    "65 deep": (b"[" * 65 + b"1" + b"]" * 65, "U-JSON-DEPTH"),
    "65 deep and empty": (b"[" * 65 + b"]" * 65, "U-JSON-DEPTH"),
    "deeper than any stack": (b"[" * 200_000, "U-JSON-DEPTH"),
    "objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "U-JSON-DEPTH"),
}

ACCEPTED = {
    "64 deep": b"[" * 64 + b"1" + b"]" * 64,
    "brackets in a string": b'["' + b"[{" * 100 + b'"]',
    "an escaped mark before brackets": b'["\\"' + b"[" * 100 + b'"]',
    "an escaped backslash before the end": b'["\\\\", [1]]',
    "a surrogate pair": b'["\\ud83d\\ude00"]',
    "a backslash before what looks like a surrogate": b'["\\\\ud83d"]',
    "the same key in two objects": b'[{"a": 1}, {"a": 2}]',
    "small number": b"[1e-400, -0, 1.50]",
    "null": b"null",
    "blanks around": b"  \r\n{}\n ",
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(raw: bytes, code: str) -> None:
    """Each kind of ambiguous or broken JSON has its own code."""
    with pytest.raises(InputError) as caught:
        strict_json.check(raw)
    assert caught.value.code == code


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(raw: bytes) -> None:
    """What only looks suspicious is let through."""
    strict_json.check(raw)


def test_size_is_looked_at_before_anything_else() -> None:
    """Bytes over the limit are refused for their size, whatever they hold."""
    with pytest.raises(InputError) as caught:
        strict_json.check(b"{{{{", max_bytes=3)
    assert caught.value.code == "U-JSON-SIZE"
    strict_json.check(b"[1]", max_bytes=3)


def test_message_holds_no_value() -> None:
    """The message of a refusal never quotes the input."""
    for raw in (b'{"name": "Chalmers', b'{"Chalmers": 1, "Chalmers": 2}', b'["Chalmers", NaN]'):
        with pytest.raises(InputError) as caught:
            strict_json.check(raw)
        assert "Chalmers" not in str(caught.value)


def test_what_is_good_is_not_walked_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of a good megabyte is left to the two fast passes: the search for what is wrong does not begin."""

    def diagnose(*_: object) -> None:
        pytest.fail("good bytes were searched for what is wrong with them")

    monkeypatch.setattr(strict_json, "_diagnose", diagnose)
    entry = b'{"resourceType":"Observation","status":"final","code":{"text":"sodium"},"valueInteger":139}'
    raw = b"[" + b",".join([entry] * 2700) + b"]"
    assert len(raw) > 240_000
    strict_json.check(raw)
    with pytest.raises(pytest.fail.Exception):
        strict_json.check(raw[:-1])
