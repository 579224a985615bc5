"""The one form of JSON that is hashed, signed and stored: sorted keys, no white space, decimals as written.

A dose never passes through a binary float on its way in: ``0.50`` is read as a Decimal and written as
``0.50``, because in FHIR the precision of a decimal is part of its value (R4 datatypes, decimal). RFC 8785
would write ``0.5``, so it is not used. Keys are sorted by code point; exponents are written out (``1E+2`` as
``100``).
"""

import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring as _text
from typing import Any, Final, NoReturn, cast

import msgspec

from fhir_adapters.errors import InputError

MAX_DEPTH = 64
_INSTANT: Final = msgspec.json.Encoder()
_WHOLE: Final = len('"2026-11-22T10:00:00.000000Z"')
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
# Wider than any quantity of medicine by far; keeps an exponent from being written out as megabytes of zeros.
MAX_MAGNITUDE = 64


def dumps(value: object) -> bytes:
    """Return ``value`` (dicts, lists, str, int, Decimal, finite float, bool, None) as canonical UTF-8 bytes.

    A float, which only our own computing makes, is written in the shortest form that reads back as it.
    InputError: U-JSON-NUMBER (not finite or absurdly large), U-JSON-DEPTH, U-JSON-ENCODING (lone surrogates),
    U-JSON-TYPE (nothing that JSON has).
    """
    parts: list[str] = []
    _write(value, parts, 0)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        raise InputError("U-JSON-ENCODING", "a text holds half a character; send whole UTF-8") from error


def loads(raw: bytes) -> Any:
    """Return the JSON value with numbers as int or Decimal.

    InputError: U-JSON-SYNTAX, U-JSON-ENCODING, U-JSON-DUPLICATE-KEY, U-JSON-NUMBER, U-JSON-DEPTH.
    """
    try:
        return _VALUES.decode(raw.decode())
    except UnicodeDecodeError as error:
        raise InputError("U-JSON-ENCODING", "the bytes are not UTF-8") from error
    except RecursionError as error:
        raise InputError("U-JSON-DEPTH", f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise InputError("U-JSON-SYNTAX", "the bytes are not JSON") from error


def load_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object; InputError U-JSON-SYNTAX for any other JSON value, else as ``loads``."""
    value = loads(raw)
    if not isinstance(value, dict):
        raise InputError("U-JSON-SYNTAX", "a JSON object is needed here")
    return cast(dict[str, Any], value)


def digest(raw: bytes) -> str:
    """Return ``sha256-`` and the SHA-256 in base64url without padding: the form that is shown and signed."""
    return "sha256-" + binascii.b2a_base64(hashlib.sha256(raw).digest()).translate(_URL_SAFE, b"=\n").decode()


def instant(at: datetime) -> str:
    """Return an aware time in UTC at fixed width, so that texts sort as times do."""
    text = _INSTANT.encode(at if at.tzinfo is UTC else at.astimezone(UTC)).decode()
    # It leaves a fraction of nothing out: a verification writes so many times that isoformat takes a tenth of it.
    return text[1:-1] if len(text) == _WHOLE else f"{text[1:20]}.000000Z"


def read_instant(text: str) -> datetime:
    """Return the aware time that ``instant`` wrote."""
    return datetime.fromisoformat(text)


def _write(value: object, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError("U-JSON-DEPTH", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        parts.append(_text(value))
    elif value is None or isinstance(value, bool | int | float | Decimal):
        parts.append(_scalar(value))
    elif isinstance(value, Mapping):
        _write_object(cast(Mapping[object, object], value), parts, depth)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        _write_list(cast(Sequence[object], value), parts, depth)
    else:
        raise InputError("U-JSON-TYPE", f"JSON has no {type(value).__name__}")


def _write_object(value: Mapping[object, object], parts: list[str], depth: int) -> None:
    names = [name for name in value if isinstance(name, str)]
    if len(names) != len(value):
        raise InputError("U-JSON-TYPE", "the names of an object are texts")
    parts.append("{")
    for position, name in enumerate(sorted(names)):
        parts.append(f",{_text(name)}:" if position else f"{_text(name)}:")
        _write(value[name], parts, depth + 1)
    parts.append("}")


def _write_list(value: Sequence[object], parts: list[str], depth: int) -> None:
    parts.append("[")
    for position, item in enumerate(value):
        if position:
            parts.append(",")
        _write(item, parts, depth + 1)
    parts.append("]")


def _scalar(value: bool | int | float | Decimal | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _decimal(Decimal(repr(value)) if isinstance(value, float) else value)


def _decimal(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > MAX_MAGNITUDE:
        raise InputError("U-JSON-NUMBER", "a number is not finite or of no sensible size")
    return format(value, "f")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:  # an exponent beyond any that Decimal has, very small ones too
        raise InputError("U-JSON-NUMBER", "a number is of no sensible size") from error


def _not_finite(_name: str) -> NoReturn:
    raise InputError("U-JSON-NUMBER", "NaN and Infinity are no JSON numbers")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("U-JSON-DUPLICATE-KEY", "a name appears twice in one object")
    return found


_VALUES: Final = json.JSONDecoder(parse_float=_number, parse_constant=_not_finite, object_pairs_hook=_no_duplicates)
