"""A step that a person is told of: its receipt is flushed on this host while the server commits, told when both are.

Three things follow, wherever this process or the server ends. Who was told has a receipt that says so, whatever the
server forgets later. A step that was refused, or whose commit got no answer, has none that says so: nobody is signed or
entered by it again. And neither waits for the other: the receipt alone changes nothing in the store.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from service.drafts.redis.receipt import Receipt
from service.drafts.redis.receipts import Receipts
from service.errors import Conflict, NotFound

T = TypeVar("T")
# What a step gives: its result, the tenant whose key seals the receipt, and the receipt.
Receipted = tuple[T, str, Receipt]
Beside = Callable[[Receipted[T]], Awaitable[None]]


async def acknowledged(receipts: Receipts, take: Callable[[Beside[T]], Awaitable[Receipted[T]]]) -> T:
    """Take a step with its receipt ``beside`` it (see ``Steps.take``); returns its result, raises what it raised."""
    attempt = str(uuid4())

    def keep(found: Receipted[T]) -> Awaitable[None]:
        _, ehr, receipt = found
        return receipts.keep(attempt, ehr, receipt)

    try:
        result, ehr, receipt = await take(keep)
    except (Conflict, NotFound):
        await asyncio.to_thread(receipts.drop, attempt)
        raise
    if not receipts.tell_now(attempt):
        await asyncio.to_thread(receipts.keep_told, attempt, ehr, receipt)
    return result
