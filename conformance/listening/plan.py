"""What a listening run is to do: where it is reached, what it is to compare with, and which trials it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Step = Literal["card", "empty", "precondition", "unavailable", "too-many", "error", "late"]
TRIALS: Sequence[Step] = ("empty", "precondition", "unavailable", "too-many", "error")
WORDS: Mapping[Step, str] = {
    "card": "a card",
    "empty": "no card",
    "precondition": "412",
    "unavailable": "503 with Retry-After",
    "too-many": "429 with Retry-After",
    "error": "500",
    "late": "a late card",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One listening run.

    ``public_url``: the base address as the EHR sees it, without a final slash. ``fhir_base`` is the only place where a
    token of a call is sent; ``issuer`` the ``iss`` that is expected; ``jwks`` an address or the text of a JWK Set:
    each empty for none. ``trials``: answer badly in turn, after two cards; ``slow_s``: answer one call so late.
    ``profile``: the dialect that prefetch is read with; the address tells it where it is empty.
    """

    public_url: str
    fhir_base: str = ""
    issuer: str = ""
    jwks: str = ""
    trials: bool = False
    slow_s: float = 0.0
    profile: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The trials of this run, in order."""
        late: tuple[Step, ...] = ("late",) if self.slow_s else ()
        return (*TRIALS, *late) if self.trials else late

    def options(self) -> dict[str, Any]:
        """Return what a report keeps of it; keys are public, and not needed to judge again."""
        told = {
            "public_url": self.public_url,
            "fhir_base": self.fhir_base,
            "issuer": self.issuer,
            "keys": bool(self.jwks),
            "trials": self.trials,
            "slow_s": self.slow_s,
            "profile": self.profile,
        }
        return {name: value for name, value in told.items() if value}
