"""How often a tenant may call: one token bucket a tenant, in each worker."""

from collections.abc import Callable

from service.errors import TooMany
from service.settings import Limits


class Bucket:
    """Holds up to ``burst`` calls and fills by ``calls_per_second``; ``clock`` gives seconds, monotonic."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._left = float(limits.burst)
        self._at = clock()

    def take(self) -> None:
        """Count one call of a hook, or of its feedback; raises TooMany U-EHR-RATE when none is left."""
        now = self._clock()
        filled = self._left + (now - self._at) * self._limits.calls_per_second
        self._left, self._at = min(float(self._limits.burst), filled), now
        if self._left < 1:
            raise TooMany("U-EHR-RATE", "too many calls of this EHR; slow down, or raise ehr.limits")
        self._left -= 1
