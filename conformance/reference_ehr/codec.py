"""JSON in and out with decimals kept as they were written: FHIR gives 0.50 and 0.5 different precision."""

from decimal import Decimal
from typing import Any, TypeGuard

import msgspec

from conformance.reference_ehr.refusals import Json, Refusal, invalid

BODY_LIMIT = 2_000_000
"""Bytes; a larger body is answered with 413."""

_decoder = msgspec.json.Decoder(Any, float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode(raw: bytes) -> Json:
    """Return the JSON object in ``raw``; refuses what is too large, not JSON or not an object."""
    if len(raw) > BODY_LIMIT:
        raise Refusal(413, "too-long", "U-REF-SIZE", f"The body is larger than {BODY_LIMIT} bytes.")
    try:
        value = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid("The body is not JSON, or it is nested too deeply.") from error
    if not is_object(value):
        raise invalid("The body is not a JSON object.")
    return value


def is_object(value: object) -> TypeGuard[Json]:
    """Say whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether a JSON value is an array."""
    return isinstance(value, list)


def encode(value: object) -> bytes:
    """Return ``value`` as JSON bytes without white space."""
    return _encoder.encode(value)
