"""What stands in a file of NDJSON, line by line."""

from dataclasses import dataclass
from typing import cast

import msgspec

from conformance.exchanges import Exchange
from conformance.suites.ehr.listings import Json


@dataclass(frozen=True, slots=True)
class Lines:
    """``resources`` in order; ``bad`` are the numbers of lines, from 1, that are no JSON object of a resource."""

    exchange: Exchange
    resources: tuple[Json, ...]
    bad: tuple[int, ...]


def of(answer: Exchange) -> Lines:
    """Return what a file holds; an empty line at the end is none."""
    found: list[Json] = []
    bad: list[int] = []
    if answer.status != 200:
        return Lines(answer, (), ())
    for number, line in enumerate(answer.body.split(b"\n"), 1):
        if not line.strip():
            continue
        one = _object(line)
        if one is None or not isinstance(one.get("resourceType"), str):
            bad.append(number)
        else:
            found.append(one)
    return Lines(answer, tuple(found), tuple(bad))


def _object(line: bytes) -> Json | None:
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return cast("Json", found) if isinstance(found, dict) else None
