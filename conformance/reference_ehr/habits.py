"""How the EHR's CDS client goes about a request, so that a fault can change any step of it and nothing else.

A habit changes what is about to be sent, the token once it is signed, or whether an answer is followed by the same
request again. The client without faults has none, and the patience of ``patient``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["discovery", "call", "feedback"]
LONGEST_WAIT_S = 5.0
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Sending:
    """A request about to be sent.

    ``head`` and ``claims`` are the token's, which is left out where ``claims`` is None; ``body`` is JSON, bytes as
    they are, or None. ``timeout_s``: how long an answer is waited for, None for as long as the client does.
    """

    kind: Kind
    method: str
    address: str
    headers: Mapping[str, str]
    head: Mapping[str, Any]
    claims: Mapping[str, Any] | None
    body: Any = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Habit:
    """One habit: its name, what it does in a sentence, and the changes.

    ``again`` gets the status, how often it was sent, and Retry-After in seconds; it returns the wait before the same
    request, None for no more. ``services`` replaces what discovery lists, without asking for it. ``copies``: how often
    each hook call is made. ``silent``: no feedback is sent.
    """

    name: str
    what: str
    change: Callable[[Sending], Sending] | None = None
    sealed: Callable[[str], str] | None = None
    again: Callable[[int, int, float | None], float | None] | None = None
    services: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    copies: int = 1
    silent: bool = False


def patient(status: int, times: int, retry_after_s: float | None) -> float | None:
    """Ask once more where the service says when, and soon: RFC 9110 §10.2.3."""
    if status not in _BUSY or times > 1 or retry_after_s is None or retry_after_s > LONGEST_WAIT_S:
        return None
    return retry_after_s
