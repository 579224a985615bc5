"""Who is signed in at the EHR in which browser, which chart is open there, and the orders that are being written."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from conformance.reference_ehr.desk.advice import Answer
from conformance.reference_ehr.desk.orders import Unsigned
from conformance.reference_ehr.patients import Account
from conformance.reference_ehr.refusals import Refusal, not_found
from conformance.reference_ehr.store import Clock

COOKIE = "reference_ehr_visit"
"""Cookies know no ports: the name must not be that of an app on the same machine."""


@dataclass
class Visit:
    """One browser's session. One chart is open at a time; ``answers`` are what its hooks brought, by hook."""

    account: Account
    begun: datetime
    patient: str = ""
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    said: str = ""
    """What to say once, on the next page."""

    def open(self, patient: str) -> bool:
        """Open a chart and close the one before; returns False when it is open already."""
        if self.patient == patient:
            return False
        self.patient, self.answers = patient, {}
        return True

    def take_said(self) -> str:
        """Return what is to be said once."""
        said, self.said = self.said, ""
        return said


class Visits:
    """The browsers by their cookie, and the unsigned orders of each user in each chart."""

    def __init__(self, root: str, clock: Clock) -> None:
        self._root, self._clock = root, clock
        self._visits: dict[str, Visit] = {}
        self._unsigned: dict[tuple[str, str], list[Unsigned]] = {}

    def of(self, request: Request) -> Visit | None:
        """Return the visit of the browser that sent this, if it has one."""
        return self._visits.get(request.cookies.get(COOKIE, ""))

    def required(self, request: Request) -> Visit:
        """Return the visit; refuses with 401."""
        found = self.of(request)
        if found is None:
            raise Refusal(401, "login", "U-REF-VISIT", "Sign in at the EHR first, on its first page.")
        return found

    def acting(self, request: Request) -> Visit:
        """Return the visit of a request that changes something; refuses what another origin's page sent."""
        self.same_origin(request)
        return self.required(request)

    def same_origin(self, request: Request) -> None:
        """Refuse with 403 what another origin's page sent: cookies go to every port of this machine."""
        if request.headers.get("origin", self._root) != self._root:
            raise Refusal(403, "forbidden", "U-REF-ORIGIN", "This was sent by another site's page.")

    def begin(self, response: Response, account: Account) -> None:
        """Sign a user in with a new cookie."""
        name = secrets.token_urlsafe(32)
        self._visits[name] = Visit(account, self._clock())
        response.set_cookie(COOKIE, name, httponly=True, samesite="lax")

    def end(self, request: Request, response: Response) -> None:
        """Sign the browser's user out; orders that were not signed stay for the next time."""
        self._visits.pop(request.cookies.get(COOKIE, ""), None)
        response.delete_cookie(COOKIE)

    def unsigned(self, visit: Visit, patient: str) -> list[Unsigned]:
        """Return the orders that this user has written in this chart and not signed, to be changed in place."""
        return self._unsigned.setdefault((visit.account.username, patient), [])


def one_of(unsigned: list[Unsigned], order: str) -> int:
    """Return the place of an unsigned order; refuses with 404."""
    for place, held in enumerate(unsigned):
        if held.id == order:
            return place
    raise not_found("unsigned order")
