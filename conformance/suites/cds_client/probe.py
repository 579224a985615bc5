"""What came while the listener listened, sorted: hook calls, feedback, discovery, and what the EHR itself says.

Everything is read from the recording, people masked, so that a run and a replay of it judge the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from conformance import masking
from conformance.checks import Untested
from conformance.exchanges import Exchange
from conformance.listening.answers import SERVICES
from conformance.session import Session

Json = dict[str, Any]
NOTHING_CAME = "no hook call came while this run listened"


@dataclass(frozen=True, slots=True)
class Came:
    """One request of the EHR's. ``service`` is the last part of its address; ``at`` and ``answered`` are instants."""

    exchange: Exchange
    service: str
    body: Json
    at: datetime

    @property
    def number(self) -> int:
        """Its number in the evidence."""
        return self.exchange.number

    @property
    def url(self) -> str:
        """The address that was called."""
        return self.exchange.asked.url

    @property
    def token(self) -> Mapping[str, Any]:
        """The facts of its JWT: ``problem``, or ``header`` and ``claims``, and ``signature`` where it was tried."""
        return self.exchange.seen["token"]

    @property
    def answered(self) -> datetime:
        """When the answer was given, or the client had gone."""
        return self.at + timedelta(milliseconds=self.exchange.took_ms)

    @property
    def step(self) -> str:
        """What it was answered with: a step of the plan, empty where it was refused."""
        return str(self.exchange.seen.get("step", ""))

    @property
    def hook(self) -> str:
        """The hook of the service that was called."""
        return SERVICES.get(self.service, "")

    @property
    def instance(self) -> Any:
        """``hookInstance``, None where there is none."""
        return self.body.get("hookInstance")

    @property
    def context(self) -> Json:
        """The context, empty where there is none."""
        return as_object(self.body.get("context"))

    @property
    def patient(self) -> str:
        """The patient in the context, without ``Patient/`` before the id: that is a finding of its own."""
        return str(self.context.get("patientId")).removeprefix("Patient/")

    @property
    def prefetch(self) -> Json:
        """The prefetch, empty where there is none."""
        return as_object(self.body.get("prefetch"))

    @property
    def cards(self) -> Sequence[Json]:
        """The cards that it was answered with."""
        return self.exchange.list("cards") or ()


class Probe:
    """One run's recording. ``options`` are the plan's, with ``attested``: question → y or n."""

    def __init__(self, session: Session, options: Mapping[str, Any], recorded: Sequence[Exchange]) -> None:
        self.session, self.options = session, options
        session.exchanges.extend(recorded)
        self.came = [_came(one) for one in recorded if "call" in one.seen]
        self._asked = [one for one in recorded if "for" in one.seen]

    @property
    def posted(self) -> list[Came]:
        """Hook calls and feedback; Untested where none came."""
        return self.calls + self.feedback_or_none

    @cached_property
    def calls(self) -> list[Came]:
        """The hook calls at addresses of ours; Untested where none came."""
        found = [one for one in self.came if one.exchange.asked.method == "POST" and one.hook]
        if not found:
            raise Untested(NOTHING_CAME)
        return found

    @property
    def first_calls(self) -> list[Came]:
        """The hook calls without repeats of the same call."""
        return list({str(one.instance): one for one in reversed(self.calls)}.values())[::-1]

    @cached_property
    def feedback_or_none(self) -> list[Came]:
        """The feedback that came."""
        return [one for one in self.came if re.search(r"/cds-services/[^/]+/feedback$", _path(one))]

    @property
    def feedback(self) -> list[Came]:
        """The feedback; Untested where none came."""
        if not self.feedback_or_none:
            raise Untested("no feedback came: take the suggestion of a card, or override it, while this run listens")
        return self.feedback_or_none

    def items(self) -> list[tuple[Came, int, Json]]:
        """Return (request, place, item) of all feedback that is a list of objects."""
        return [
            (one, n, as_object(item))
            for one in self.feedback
            for n, item in enumerate(as_list(one.body.get("feedback")))
            if isinstance(item, dict)
        ]

    def of_hooks(self, *hooks: str) -> list[Came]:
        """Return the calls of these hooks; Untested where none came."""
        found = [one for one in self.calls if one.hook in hooks]
        if not found:
            raise Untested(f"no call of {' or '.join(hooks)} came: begin an order while this run listens")
        return found

    def given(self) -> dict[str, tuple[Came, Json]]:
        """Return the cards that were given, by uuid, each with its call."""
        return {str(card.get("uuid")): (one, card) for one in self.came for card in one.cards}

    def read_back(self, call: Came, key: str) -> list[Exchange]:
        """Return what the EHR itself answered to a key's query with the call's token, page by page; none if unasked."""
        own = call.exchange.seen["call"]
        return [one for one in self._asked if one.seen["for"] == own and one.seen.get("key") == key]

    def compared(self) -> list[Came]:
        """Return the calls whose prefetch was asked for again; Untested where there are none."""
        asked = {one.seen["for"] for one in self._asked if "key" in one.seen}
        found = [one for one in self.calls if one.exchange.seen["call"] in asked]
        if not found:
            raise Untested(self._why_not())
        return found

    def keys(self) -> list[Exchange]:
        """Return the requests for the EHR's keys."""
        return [one for one in self._asked if "keys" in one.seen]

    def _why_not(self) -> str:
        if not self.options.get("fhir_base"):
            return "the EHR was not asked for the same data: give --fhir-base"
        if not any(as_object(one.body.get("fhirAuthorization")).get("access_token") for one in self.calls):
            return "the EHR was not asked for the same data: no call had a token for it (fhirAuthorization)"
        return "the EHR was not asked for the same data: fhirServer is not the address of --fhir-base"


def as_object(value: Any) -> Json:
    """Return a JSON object, an empty one for anything else."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a JSON list, an empty one for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _came(one: Exchange) -> Came:
    shown = masking.body(one.asked.body, keep_people=False) if one.asked.body else ""
    try:
        body = msgspec.json.decode(shown, type=Json)
    except msgspec.MsgspecError:
        body = Json()
    service = urlsplit(one.asked.url).path.rstrip("/").rpartition("/")[2]
    return Came(one, service, body, datetime.fromisoformat(one.started))


def _path(one: Came) -> str:
    return urlsplit(one.url).path.rstrip("/") if one.exchange.asked.method == "POST" else ""
