"""Where the time of one call goes: laps by station, and the header that tells them."""

import time


class Stopwatch:
    """Laps in milliseconds, in the order of the stations; a station that is passed twice is added up."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, station: str) -> None:
        """Count the time since the last lap for ``station``."""
        now = time.perf_counter()
        self._laps[station] = self._laps.get(station, 0.0) + (now - self._last) * 1000
        self._last = now

    def header(self, *, stations: bool = True) -> str:
        """Return the laps and their total as a Server-Timing header (W3C Server Timing), or the total alone."""
        laps = {**(self._laps if stations else {}), "total": (self._last - self._started) * 1000}
        return ", ".join(f"{name};dur={took:.1f}" for name, took in laps.items())
