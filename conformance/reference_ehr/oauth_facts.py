"""What the EHR's authorisation server keeps and answers: launches, codes, sign-ins, and verified tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from conformance.reference_ehr.patients import Account
from conformance.reference_ehr.scopes import Grant


@dataclass(frozen=True, slots=True)
class Launch:
    """An EHR launch: this user opened this patient's chart and started this app, from a card with ``app_context``."""

    client: str
    patient: str
    username: str
    expires: datetime
    app_context: str | None = None
    logged_in: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in at the EHR in the browser that asks, and since when: not to be asked again."""

    username: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorisation code stands for until it is used, once."""

    client: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    scope: str
    account: Account
    patient: str | None
    logged_in: datetime
    expires: datetime
    app_context: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The browser goes back to the app."""

    url: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The browser is shown a page: who are you, or which patient?"""

    what: Literal["user", "patient"]
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Access:
    """A verified access token."""

    subject: str
    client: str
    grants: tuple[Grant, ...]
    fhir_user: str | None
    patient: str | None
