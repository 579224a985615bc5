"""What msgspec lets through and a record must not hold: duplicate keys, NaN, lone surrogates, deep nesting.

A duplicate key has no defined meaning (RFC 8259 §4): two readers may see two different doses. FHIR decimals
are finite (http://hl7.org/fhir/R4/json.html#decimal), and FHIR JSON is UTF-8.
"""

import json
import re
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import isinf
from typing import Never

import msgspec

from fhir_adapters.errors import InputError

_MAX_DEPTH = 64
_LINES = 50  # checked together: more would fill memory for nothing
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ANY = msgspec.json.Decoder()
_OUTSIDE = bytes(sorted(set(range(256)) - set(b'"[]{}')))
_STEP = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


class _DuplicateKeyError(ValueError):
    """An object holds one name twice."""


class _NumberError(ValueError):
    """A number that is not a finite decimal."""


def check(raw: bytes, *, max_bytes: int | None = None, max_depth: int = _MAX_DEPTH) -> None:
    """Refuse bytes that are not one unambiguous JSON value.

    ``max_bytes`` None means no limit. Raises InputError U-JSON-SIZE, -ENCODING, -SYNTAX, -DUPLICATE-KEY,
    -NUMBER or -DEPTH; the message never quotes the input.
    """
    if max_bytes is not None and len(raw) > max_bytes:
        raise InputError("U-JSON-SIZE", f"the input is larger than {max_bytes} bytes; send less at a time")
    text = _decode(raw)
    if not _plainly_good(raw, max_depth, lambda: _ANY.decode(raw)):
        _diagnose(raw, text, max_depth)


def check_lines(lines: Sequence[bytes]) -> None:
    """Refuse lines, none of them blank, of which one is not one unambiguous JSON value, as ``check`` does each."""
    for start in range(0, len(lines), _LINES):
        some = lines[start : start + _LINES]
        together = b"[" + b",".join(some) + b"]"
        # Values that commas separate and line breaks separate too are one a line.
        if _plainly_good(together, _MAX_DEPTH + 1, lambda some=some: _ANY.decode_lines(b"\n".join(some))):
            _decode(together)
        else:
            for line in some:
                check(line)


def _plainly_good(raw: bytes, max_depth: int, decoded: Callable[[], object]) -> bool:
    """True when msgspec alone can tell, in half the time; what it leaves open is diagnosed step by step.

    Writing out what was read brings back every quotation mark, unless a name came twice and one was lost (a
    mark written as an escape is left to the diagnosis). Indenting by one shows the depth as blanks at a
    line's start.
    """
    if b"\\" in raw and b"\\u0022" in raw:
        return False
    try:
        again = msgspec.json.encode(decoded())
        shape = msgspec.json.format(raw, indent=1)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return again.count(b'"') == raw.count(b'"') and b"\n" + b" " * max_depth not in shape


def _diagnose(raw: bytes, text: str, max_depth: int) -> None:
    if _depth(raw) > max_depth:
        raise InputError("U-JSON-DEPTH", f"the input nests deeper than {max_depth} levels; FHIR needs far fewer")
    try:
        _SCANNER.decode(text)
    except _DuplicateKeyError:
        raise InputError("U-JSON-DUPLICATE-KEY", "an object holds the same name twice; send each once") from None
    except _NumberError:
        raise InputError("U-JSON-NUMBER", "a number is NaN, infinite or out of range; leave it out") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError("U-JSON-SYNTAX", f"not JSON from {where}; is the input whole?") from None
    except RecursionError:
        raise InputError("U-JSON-DEPTH", "the input nests too deep to be read") from None


def _decode(raw: bytes) -> str:
    if raw.startswith(_BOM):
        raise InputError("U-JSON-ENCODING", "the input starts with a byte order mark; send UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("U-JSON-ENCODING", f"not UTF-8 at byte {error.start}; send UTF-8") from None
    if b"\\" in raw and _SURROGATE.search(raw) and _SURROGATE.search(_PAIR.sub(b"", raw.replace(b"\\\\", b""))):
        raise InputError("U-JSON-ENCODING", "an escape is half of a surrogate pair; send whole characters")
    return text


def _depth(raw: bytes) -> int:
    """Deepest nesting, from the brackets outside strings: with escapes gone, each second piece is one."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(raw.translate(None, _OUTSIDE).split(b'"')[::2])
    return max(accumulate(array("b", outside.translate(_STEP))), default=0)


def _pairs(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _DuplicateKeyError


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise _NumberError
    return value


def _int(text: str) -> int:
    # 308 digits is as far as a double goes; longer integers would cost quadratic time.
    if len(text) > 308:
        raise _NumberError
    return int(text)


def _constant(_: str) -> Never:
    raise _NumberError


_SCANNER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_constant)
