"""Sealing what is in Redis under the data keys that are in use now; what is sealed does not change by it.

Each value is replaced only where it is still the one that was read, so the service may go on writing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from service.drafts.redis.keys import batches, shard_of_id
from service.drafts.redis.plan import packed
from service.drafts.redis.rows import HASH
from service.drafts.redis.scripts import RECORD, RESEAL
from service.drafts.redis.sealing import DRAFT, SIGNATURE
from service.drafts.redis.server import Server
from service.drafts.vault import Vault

# By kind of record and place in the answer of ``record.lua``: the letter of its key, and the fields that are sealed by
# their own names, or the one name that all of them, or all items of a list, are sealed for.
_HASHES: Final[dict[str, Sequence[tuple[int, str, Sequence[str] | str]]]] = {
    "draft": ((0, "d", DRAFT), (1, "v", "resource"), (3, "p", "prepared"), (4, "g", SIGNATURE), (6, "t", "comment")),
    "flag": (),
    "register": (),
}
_LISTS: Final[dict[str, Sequence[tuple[int, str, str, int]]]] = {
    "draft": (),
    "flag": ((2, "l", "alarm", 0), (3, "w", "attestation", 0)),
    "register": ((1, "e", "entry", HASH),),
}
# The letter of the key that each record has, and its kind.
_KINDS: Final = {"d": "draft", "f": "flag", "r": "register"}


async def reseal(server: Server, vault: Vault) -> int:
    """Seal all that is under a replaced key under the one in use; returns how many values."""
    await server.load_data_keys()
    names = [name.partition("}:")[2] for name in await server.keys()]
    changed = 0
    for letter, kind in _KINDS.items():
        ids = [name[2:] for name in names if name.startswith(f"{letter}:")]
        for shard, some in batches((shard_of_id(identity), identity) for identity in ids):
            answer = await server.run(RECORD, shard, kind, *some)
            for identity, raw in zip(some, answer, strict=True):
                values = list(_values(vault, kind, identity, raw))
                if values:
                    changed += await server.run(RESEAL, shard, packed(values))
    return changed


def _values(vault: Vault, kind: str, identity: str, raw: Sequence[Any]) -> Iterator[list[str | bytes]]:
    """Yield key, field or place in a list, the value as it is and as it is to be, of each that is to be sealed anew."""
    for place, letter, fields in _HASHES[kind]:
        for name, value in zip(raw[place][::2], raw[place][1::2], strict=True):
            field = fields if isinstance(fields, str) else name.decode()
            if (isinstance(fields, str) or field in fields) and vault.stale(value):
                yield [f"{letter}:{identity}", name, value, vault.resealed(f"{identity}:{field}", value)]
    for place, letter, field, head in _LISTS[kind]:
        for number, item in enumerate(raw[place]):
            if vault.stale(item[head:]):
                new = item[:head] + vault.resealed(f"{identity}:{field}", item[head:])
                yield [f"{letter}:{identity}", str(number), item, new]
