"""Removing whole registers of accesses from Redis: shard by shard, after the entry that says so."""

from collections.abc import Sequence

from service.drafts.redis.keys import batches, shard_of_id
from service.drafts.redis.scripts import FORGET
from service.drafts.redis.server import Server
from service.drafts.registers import Registered
from service.errors import Conflict


async def forget(server: Server, chains: Sequence[Registered]) -> None:
    """Remove chains; Conflict U-REGISTER-MOVED where one is not as it was seen, which then stays."""
    ends = {one.id: one.entry for one in chains}
    gone = 0
    for shard, some in batches((shard_of_id(identity), identity) for identity in ends):
        named = [text for one in some for text in (one, str(ends[one].seq), ends[one].hash)]
        gone += await server.run(FORGET, shard, *named)
    if gone != len(ends):
        raise Conflict("U-REGISTER-MOVED", "something else was entered meanwhile; read it again")
