"""Where things are in Redis: a fixed number of shards, each a hash tag, so that one step's keys share a slot.

A patient's drafts, flag and cards are in the shard of the patient's reference; the first digit of an id names its
shard. The number of shards is part of the data: it is the same for one server and for a Cluster of any size.

Of a shard ``undersign:{s7}``: ``d`` draft, ``v`` its versions, ``a`` its audit chain, ``p`` what was prepared,
``g`` signature, ``o`` outbox row, ``t`` comments; ``f`` flag, ``b`` its audit chain, ``l`` alarms, ``w``
attestations; ``r`` register, ``e`` its chain; ``c`` card; ``k`` what is kept for a while. Found by: ``in`` (state and
EHR), ``of`` (patient), ``open`` and ``facts`` (patient at an EHR), ``deadline``, ``due``, ``orders``, ``words``,
``named`` (registers of a kind, by whose they are), ``ends``; ``outbox`` is the stream, ``done`` the commits of the last
two minutes. A consent is in its patient's shard, an access in that of its
subject, every other register in the first.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from service.drafts.registers import OF_PATIENTS, Kind

SHARDS: Final = 16
AT_ONCE: Final = 32
PREFIX: Final = "undersign"
# One key that says what made the data; in the first shard, so that it has a slot of its own on a Cluster.
META: Final = f"{PREFIX}:{{s0}}:meta"
# The tenants' data keys, wrapped, where the store is sealed.
DATA_KEYS: Final = f"{PREFIX}:{{s0}}:keys"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def shard_key(shard: int) -> str:
    """Return the key prefix of a shard, which is also the key that routes a script to its slot."""
    return f"{PREFIX}:{{s{shard:x}}}"


def shard_of(name: str) -> int:
    """Return the shard of a patient's reference, or of the name of something that is kept."""
    return hashlib.sha256(name.encode()).digest()[0] % SHARDS


def shard_of_id(identity: str) -> int:
    """Return the shard that an id of ours names; 0, where it will not be found, for any other text."""
    digit = identity[:1]
    return int(digit, 16) if digit in "0123456789abcdef" and digit else 0


def new_id(patient: str) -> str:
    """Return a random UUID (version 4) whose first digit is the patient's shard."""
    return new_id_in(shard_of(patient))


def new_id_in(shard: int) -> str:
    """Return a random UUID (version 4) whose first digit is a shard."""
    raw = bytearray(os.urandom(16))
    raw[0] = shard << 4 | raw[0] & 0x0F
    return str(UUID(bytes=bytes(raw), version=4))


def shard_of_register(kind: Kind, subject: str) -> int:
    """Return the shard of a register: a consent is decided on with its patient's drafts, accesses are spread too."""
    return shard_of(subject) if kind in OF_PATIENTS else 0


def person(*parts: str) -> str:
    """Return the name under which a patient (an EHR and a reference, or a reference alone) is indexed."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def microseconds(at: datetime) -> int:
    """Return an aware time as whole microseconds since 1970: a score of Redis holds them exactly."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: str | bytes) -> datetime:
    """Return the aware time of whole microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(value))


def batches(items: Iterable[tuple[int, str]], at_once: int = AT_ONCE) -> Iterator[tuple[int, list[str]]]:
    """Yield the items of each shard, so many at a time that the server is not kept from others for long."""
    mine: defaultdict[int, list[str]] = defaultdict(list)
    for shard, item in items:
        mine[shard].append(item)
    for shard, some in mine.items():
        for first in range(0, len(some), at_once):
            yield shard, some[first : first + at_once]
