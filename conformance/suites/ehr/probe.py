"""What the checks ask of an EHR: what it says of itself, a token, and each patient's chart as the service reads it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

from conformance.checks import Untested
from conformance.exchanges import Exchange
from conformance.session import Session
from conformance.suites.ehr import backend, listings
from conformance.suites.ehr.answers import fails, got
from conformance.suites.ehr.backend import Backend
from conformance.suites.ehr.listings import Json, Listing, mixed
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.survey import searches, wanted
from fhir_adapters.survey.searches import Request
from fhir_adapters.survey.wanted import Template

TEMPLATES: Mapping[str, Template] = {one.key: one for one in wanted.templates()}
MOST_PATIENTS = 5  # where none are named


@dataclass(frozen=True, slots=True)
class Access:
    """How the EHR is to be reached: whose charts, in which dialect, with which token.

    ``patients`` are ids; without them the first five that a search finds. ``write``: the test patient's id, empty in
    a run that only reads. ``more``: types that are read beside those of the templates.
    """

    patients: tuple[str, ...] = ()
    profile: str = ""
    backend: Backend | None = None
    token: str = ""
    write: str = ""
    more: tuple[str, ...] = ()


class Probe:
    """One EHR under test. Its requests follow from ``access``, ``now`` and ``seed`` alone."""

    def __init__(
        self,
        session: Session,
        now: datetime,
        seed: str,
        access: Access | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.session, self.now, self.clock, self.access = session, now, clock, access or Access()
        self._seed, self._made = seed, 0
        self.written: dict[str, str] = {}  # reference → what it is, of all that this run wrote and has not taken back
        self.lost: dict[str, tuple[str, ...]] = {}  # what was written → its elements that did not come back
        self.reached: list[str] = []  # what was shown of the ladder of write-back
        if self.access.token:
            session.token = self.access.token

    @property
    def base(self) -> str:
        """The FHIR base, without a final slash."""
        return self.session.base

    def uuid(self) -> str:
        """Return the run's next UUID."""
        self._made += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._seed}/{self._made}"))

    async def metadata(self) -> Exchange:
        """Return the answer to ``/metadata`` without a token; asked for once."""
        return await self.session.once("metadata", lambda: self.session.send("GET", "metadata", token=False))

    async def capability(self) -> tuple[Exchange, Json]:
        """Return the CapabilityStatement; Untested where there is none."""
        answer = await self.metadata()
        found = answer.object()
        if answer.status != 200 or found.get("resourceType") not in ("CapabilityStatement", "Conformance"):
            raise Untested("there is no CapabilityStatement to compare with", (answer.number,))
        return answer, found

    async def smart(self) -> Exchange:
        """Return the answer to SMART discovery; asked for once."""
        headers = {"accept": "application/json"}
        path = ".well-known/smart-configuration"
        return await self.session.once("smart", lambda: self.session.send("GET", path, headers=headers, token=False))

    async def configuration(self) -> tuple[Exchange, Json]:
        """Return the SMART configuration; Untested where there is none."""
        answer = await self.smart()
        if answer.status != 200 or not answer.object():
            raise Untested("there is no SMART configuration", (answer.number,))
        return answer, answer.object()

    async def granted(self) -> Exchange:
        """Return the token endpoint's answer to a good request; asked for once. Untested without a key."""
        return await self.session.once("token", self.ask)

    async def ask(self, *, grant_type: str = "client_credentials", assertion_type: str = backend.ASSERTION_TYPE,
                  scope: str = "", assertion: str = "", **claims: Any) -> Exchange:  # fmt: skip
        """Send a token request, good but for what is given; ``claims`` alter the assertion. Untested without a key."""
        if self.access.backend is None:
            raise Untested("no client was given (--client-id and --key), so the token endpoint was not tried")
        form = {
            "grant_type": grant_type,
            "client_assertion_type": assertion_type,
            "scope": scope or " ".join(await self.scopes()),
            "client_assertion": assertion or await self.assertion(**claims),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        body = urlencode(form).encode()
        return await self.session.send("POST", await self.token_endpoint(), headers=headers, body=body, token=False)

    async def assertion(self, **claims: Any) -> str:
        """Return a client assertion for the token endpoint, good but for ``claims``; Untested without a key."""
        if self.access.backend is None:
            raise Untested("no client was given (--client-id and --key)")
        return backend.assertion(self.access.backend, await self.token_endpoint(), self.clock(), **claims)

    async def token_endpoint(self) -> str:
        """Return the address of the token endpoint; Untested where none is named, or one that nothing is sent to."""
        answer, found = await self.configuration()
        address = found.get("token_endpoint")
        if not isinstance(address, str) or "://" not in address:
            raise Untested("the SMART configuration names no token endpoint", (answer.number,))
        if not backend.is_safe(address):
            why = "the token endpoint is named without TLS, so nothing was sent there (see smart.endpoints)"
            raise Untested(why, (answer.number,))
        return address

    async def scopes(self) -> tuple[str, ...]:
        """Return the scopes that this run asks for, in the spelling that the EHR lists."""
        write = bool(self.access.write)
        return backend.scopes(await self.profile(), self.access.more, write=write, old=await self.is_v1())

    async def is_v1(self) -> bool:
        """Return whether the EHR lists scopes in SMART 1's spelling only."""
        try:
            _, found = await self.configuration()
        except Untested:
            return False
        return backend.is_v1(found.get("scopes_supported"))

    async def bare(self) -> Exchange:
        """Return the answer to a search without a token; asked for once."""
        ask = lambda: self.session.send("GET", "Patient?_count=1", token=False)  # noqa: E731
        return await self.session.once("bare", ask)

    async def ready(self) -> None:
        """Have a token where one is to be had; Untested where the EHR gave none."""
        if self.access.backend is not None and self.session.token is None:
            answer = await self.granted()
            token = answer.object().get("access_token")
            if answer.status != 200 or not isinstance(token, str):
                raise Untested(f"the EHR gave no token ({got(answer)}), so this was not asked", (answer.number,))
            self.session.token = token

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Exchange:
        """Read with the token; Untested where the EHR asks for another, or fails."""
        await self.ready()
        return self.settled(self.let_in(await self.session.get(path, headers)))

    def settled(self, answer: Exchange) -> Exchange:
        """Return the answer; Untested for one of a server that fails, which says nothing about what was asked."""
        if fails(answer):
            raise Untested(f"the server fails here ({got(answer)}), so this was not judged", (answer.number,))
        return answer

    def unmixed(self, listing: Listing) -> Listing:
        """Return a search that says something: Untested where it failed by itself, or others' data is in it."""
        self.settled(listing.last)
        if mixed(listing, self.base):
            raise Untested("others' data came with this search (see patient.own)", listing.numbers)
        return listing

    def let_in(self, answer: Exchange) -> Exchange:
        """Return the answer; Untested for 401, which says nothing about what was asked (token.taken judges it)."""
        if answer.status != 401:
            return answer
        if self.session.token is None:
            raise Untested("the EHR asks for a token: give --client-id and --key, or --token", (answer.number,))
        raise Untested("the EHR does not take the token, so this was not judged (see token.taken)", (answer.number,))

    async def profile(self) -> Profile:
        """Return the dialect that was named, else the one that the EHR's software and address tell."""
        if self.access.profile:
            return profiles.load(self.access.profile)
        try:
            _, found = await self.capability()
        except Untested:
            found = {}
        software: Any = found.get("software")
        name = cast("Json", software).get("name") if isinstance(software, dict) else None
        return profiles.load(profiles.match(name if isinstance(name, str) else None, self.base))

    async def patients(self) -> Sequence[str]:
        """Return the patients' ids; Untested where none are named and none can be found."""
        return self.access.patients or await self.session.once("patients", self._found)

    async def _found(self) -> Sequence[str]:
        answer = await self.get(f"Patient?_count={MOST_PATIENTS}")
        people = [
            str(one["id"])
            for _, _, one in Listing(Request("Patient?"), (answer,)).matches()
            if one.get("resourceType") == "Patient" and isinstance(one.get("id"), str)
        ]
        if answer.status != 200:
            said = f"a search for patients is answered with {got(answer)}: name some with --patient, and give a token"
            raise Untested(said, (answer.number,))
        if not people:
            raise Untested("no patient was found by a search without names: give some with --patient", (answer.number,))
        return people[:MOST_PATIENTS]

    async def asked(self, key: str, patient: str) -> Request | None:
        """Return how a template is asked for in this dialect, None for what this EHR does not have."""
        return searches.request(TEMPLATES[key], patient, await self.profile())

    async def listing(self, key: str, patient: str) -> Listing | None:
        """Return the answer to a template for one patient; asked for once. None for what this EHR does not have."""
        request = await self.asked(key, patient)
        return None if request is None else await self.follow(request)

    async def follow(self, request: Request) -> Listing:
        """Return a search followed to its end; asked for once."""
        await self.ready()
        name = f"{request.post} {request.query}"
        found: Listing = await self.session.once(name, lambda: listings.follow(self.session, request))
        self.let_in(found.last)
        return found

    async def listings(self, *keys: str) -> list[tuple[str, Listing]]:
        """Return (key, answer) over all patients, of the templates that this EHR has."""
        found: list[tuple[str, Listing]] = []
        for patient in await self.patients():
            for key in keys or tuple(TEMPLATES):
                one = await self.listing(key, patient)
                if one is not None:
                    found.append((key, one))
        return found
