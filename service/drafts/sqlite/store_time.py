"""The time of the SQLite store: the host's clock, which never leads back behind an entry that was made.

A clock that is set back would let what has expired be signed, date a signature before its draft, and keep the outbox
asleep. So while the clock is behind the last entry, or what was read of it before, time goes on from there at the pace
of the host's monotonic clock, until the clock has caught up.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from service import telemetry
from service.drafts.canonical_json import read_instant

# Less than this is how clocks are corrected every day.
NOTABLE: Final = timedelta(minutes=1)


class StoreTime:
    """Tells the time of a store to its writing and its reading thread; ``clock`` is the host's."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: datetime | None = None
        self._ticks = time.monotonic()
        self._behind = False

    def now(self, connection: sqlite3.Connection) -> datetime:
        """Return the store's time: never before an entry that this connection sees, or what was returned before."""
        (latest,) = connection.execute("SELECT at FROM latest").fetchone()
        floor = read_instant(latest) if latest else None
        with self._lock:
            told, ticks = self._clock(), time.monotonic()
            went_on = self._last + timedelta(seconds=ticks - self._ticks) if self._last and told < self._last else told
            self._last, self._ticks = max(told, went_on, floor or told), ticks
            self._tell(self._last - told > NOTABLE)
            return self._last

    def _tell(self, behind: bool) -> None:
        if behind and not self._behind:
            telemetry.log().error("the host's clock is behind the store's last entry", code="U-STORE-CLOCK")
        self._behind = behind
