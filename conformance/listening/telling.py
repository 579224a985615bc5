"""A listening run on a terminal: what to type into the EHR, what to do there, and each request as it comes."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO, cast
from urllib.parse import urlsplit

import msgspec
from rich.console import Console
from rich.text import Text

from conformance.exchanges import Exchange
from conformance.listening.answers import SERVICES, SHOWN
from conformance.listening.plan import WORDS, Plan, Step
from fhir_adapters.survey.wanted import templates

_PLAIN_WIDTH = 10_000  # what a pipe gets is read by grep, so a line is never broken there


class Telling:
    """Tells a listening run while it goes; no value of a patient's is ever told."""

    def __init__(self, out: TextIO) -> None:
        plain = not out.isatty() or "NO_COLOR" in os.environ
        width = None if out.isatty() else _PLAIN_WIDTH
        self._console = Console(file=out, highlight=False, width=width, force_terminal=False if plain else None)

    def begin(self, plan: Plan, minutes: float, calls: int) -> None:
        """Say where the run listens, and what to do in the EHR."""
        self._say(f"listening at {plan.public_url}", "bold")
        self._say(f"  discovery  {plan.public_url}/cds-services")
        for id_ in SERVICES:
            self._say(f"  audience   {plan.public_url}/cds-services/{id_}")
        for number, line in enumerate(_todo(plan), 1):
            self._say(f"  {number}. {line}")
        ended = f"{calls} hook calls or " if calls else ""
        self._say(f"  Ends after {ended}{minutes:g} minutes, or with Ctrl-C; what came is judged then.", "dim")

    def came(self, one: Exchange) -> None:
        """Say what came, and how it was answered."""
        line = _line(one)
        if line:
            self._say(f"{one.started[11:19]}  {line}")

    def end(self, calls: int) -> None:
        """Say that no more is heard."""
        self._say(f"stopped listening after {calls} hook calls\n", "dim")

    def _say(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style))


def _todo(plan: Plan) -> Sequence[str]:
    steps = [
        "enter these in the EHR's test system: each service with its audience (aud of the JWT)",
        "as a practitioner, open the chart of a test patient, then of another",
        "choose a drug for the patient, and go on until just before signing",
        "on the cards: open the link, take the suggestion of one, override another with a reason",
    ]
    if plan.steps:
        told = ", ".join(WORDS[one] for one in plan.steps)
        steps.append(f"open charts {len(plan.steps)} more times, a few seconds apart; in turn they get: {told}")
    return steps


def _line(one: Exchange) -> str:
    path = urlsplit(one.asked.url).path.rstrip("/")
    if one.asked.method == "OPTIONS":
        return ""
    if path.endswith("/feedback"):
        return f"feedback  {_outcomes(one)}  {_token(one)}"
    if one.asked.method == "GET":
        known = {"/cds-services": f"discovery was read  {_token(one)}", SHOWN: "the link of a card was opened"}
        return known.get(path, f"GET {path or '/'}")
    name = path.rpartition("/")[2]
    gone = f", hung up after {one.seen['dropped_ms']} ms" if "dropped_ms" in one.seen else ""
    step = cast("Step", one.seen.get("step", ""))
    answer = WORDS.get(step, str(one.status))
    return f"{name}  {_prefetch(one)}  {_token(one)}  → {answer}{gone}"


def _prefetch(one: Exchange) -> str:
    held = _object(one.asked.body).get("prefetch")
    sent = cast("dict[str, Any]", held) if isinstance(held, dict) else {}
    known = [template.key for template in templates()]
    return f"{sum(sent.get(key) is not None for key in known)} of {len(known)} prefetch keys"


def _outcomes(one: Exchange) -> str:
    items = _object(one.asked.body).get("feedback")
    listed = cast("list[Any]", items) if isinstance(items, list) else []
    told = Counter(str(cast("dict[str, Any]", item).get("outcome")) for item in listed if isinstance(item, dict))
    return ", ".join(f"{count} {outcome[:20]}" for outcome, count in told.items()) or "of no item"


def _token(one: Exchange) -> str:
    told = one.seen["token"]
    return str(told.get("problem") or f"JWT {told['header'].get('alg')}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
