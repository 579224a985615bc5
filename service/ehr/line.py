"""Hook calls that have to be read from one EHR wait in line, and read only when there is room for all their reads.

Calls that all began at once would share the EHR's time, and each of them could run out of its own: so the first are
read whole, and who cannot be is told to come again, which is not the same as data that is missing.
"""

import asyncio
from typing import Final

from service.errors import Busy

RETRY_S: Final = 2


class Line:
    """The reads that hook calls make of one EHR at a time, ``room`` at the most, first come, first served."""

    def __init__(self, room: int) -> None:
        self._free = asyncio.Semaphore(room)
        self._door = asyncio.Lock()

    async def enter(self, reads: int, seconds: float) -> bool:
        """Take room for as many reads, at most all of it, each to be given back; say whether it had to be waited for.

        Raises Busy U-EHR-QUEUE where there was no room within ``seconds``.
        """
        waited, taken, entered = self._door.locked(), 0, False
        try:
            async with asyncio.timeout(seconds), self._door:
                while taken < reads:
                    waited = waited or self._free.locked()
                    await self._free.acquire()
                    taken += 1
            entered = True
        except TimeoutError as error:
            raise busy() from error
        finally:
            if not entered:
                for _ in range(taken):
                    self.leave()
        return waited

    def leave(self, _: object = None) -> None:
        """Give the room of one read back; as a task's callback, when it has ended in whatever way."""
        self._free.release()


def busy() -> Busy:
    """Return the answer to a call that could not be read in time because others were before it."""
    return Busy(
        "U-EHR-QUEUE",
        "too many calls wait for this EHR to be read: call again later, or send the prefetch, which needs no reading",
        RETRY_S,
    )
