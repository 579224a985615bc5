"""What the checks ask of a CDS service: its discovery, and calls made from the reference EHR's synthetic charts."""

import copy
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from conformance.checks import NotAsked, Untested
from conformance.exchanges import Exchange, Headers
from conformance.reference_ehr import dialects, patients, prefetch
from conformance.reference_ehr.codec import encode
from conformance.reference_ehr.store import Store
from conformance.session import Session

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

Json = dict[str, Any]
USER = "Practitioner/dr-lindqvist"
CHART = "george-papadakis"
OURS = "psychotropic-options"
GOOD = ""  # the token that the service takes
NONE: Headers = MappingProxyType({})
BASE = "https://ehr.example/fhir"  # sent as a prefetch's base only; nothing answers there


@dataclass(frozen=True, slots=True)
class Client:
    """How calls are signed: the issuer, the private key and the algorithm that the service knows."""

    issuer: str
    key: "ECKey | RSAKey"
    algorithm: str


class Probe:
    """One CDS service under test. ``client`` is None where calls carry no token; ``origin`` is that of EHR's pages.

    The requests follow from ``now`` and ``seed`` alone, so that a recorded run asks the same again; ``clock`` dates
    their tokens.
    """

    def __init__(
        self,
        session: Session,
        now: datetime,
        seed: str,
        client: Client | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        origin: str = "",
    ) -> None:
        self.session, self.now, self.client, self.clock, self.origin = session, now, client, clock, origin
        self._seed, self._made = seed, 0
        self._people = {person.id: person for person in patients.load(now.date())}

    def uuid(self) -> str:
        """Return the run's next UUID."""
        self._made += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._seed}/{self._made}"))

    @property
    def url(self) -> str:
        """The base address, without ``/cds-services``."""
        return self.session.base

    async def discovery(self) -> Exchange:
        """Return the discovery answer; asked for once."""
        return await self.session.once("discovery", lambda: self.send("GET", "/cds-services"))

    async def services(self) -> Sequence[Json]:
        """Return the services that are listed; Untested where discovery is no list."""
        answer = await self.discovery()
        listed = answer.list("services")
        if answer.status != 200 or listed is None:
            raise Untested("discovery is no list of services", (answer.number,))
        return listed

    async def service(self, hook: str) -> Json:
        """Return the first service of a hook that can be called; Untested where there is none."""
        found = [one for one in await self.services() if one.get("hook") == hook]
        named = [one for one in found if isinstance(one.get("id"), str) and one["id"]]
        if named:
            return named[0]
        raise Untested(f"the service of {hook} has no id, so it cannot be called" if found else f"no service of {hook}")

    async def is_ours(self) -> bool:
        """Whether this is the product's own service, told by an id that never changes."""
        return any(one.get("id") == OURS for one in await self.services())

    async def ask_ours(self) -> None:
        """Raise NotAsked where the service is another's: the standard leaves open what the check wants to see."""
        if not await self.is_ours():
            raise NotAsked("asked of Undersign's own service only: the standard leaves it open")

    async def request(self, service: Mapping[str, Any], person: str = CHART, **context: Any) -> Json:
        """Return a good request for a service, its prefetch filled from a synthetic chart."""
        filled = {"patientId": person, "userId": USER, **context}
        values, _ = prefetch.fill(self._store(person), BASE, templates(service), filled, dialects.of(dialects.PLAIN))
        body = {"hook": service["hook"], "hookInstance": self.uuid(), "context": filled}
        return cast("Json", json.loads(encode({**body, "prefetch": values})))

    async def answered(self, hook: str = "patient-view", person: str = CHART) -> Exchange:
        """Return the answer to one good call; asked for once a hook and person."""
        service = await self.service(hook)

        async def ask() -> Exchange:
            return await self.call(service, await self.request(service, person))

        return await self.session.once(f"{hook} {person}", ask)

    async def cards(
        self, hook: str = "patient-view", person: str = CHART, **context: Any
    ) -> tuple[Exchange, list[Json]]:
        """Return a good call's cards; Untested where it was not answered with any list."""
        answer = await self.answered(hook, person, **context)
        found = answer.json()
        listed = cast("Json", found).get("cards") if isinstance(found, dict) else None
        if answer.status != 200 or not isinstance(listed, list):
            raise Untested(f"the call was answered with {answer.status}, without cards", (answer.number,))
        return answer, [cast("Json", one) for one in cast("list[Any]", listed) if isinstance(one, dict)]

    async def call(self, service: Mapping[str, Any], body: Mapping[str, Any] | bytes, **more: Any) -> Exchange:
        """Post a body to a service; Untested where it asks for a token and there is no key to make one."""
        answer = await self.post(service, body, **more)
        if self.client is None and answer.status == 401:
            said = "the service asks for a token: give --issuer and --key, the private JWK of a client that it knows"
            raise Untested(said, (answer.number,))
        return answer

    async def post(self, service: Mapping[str, Any], body: Mapping[str, Any] | bytes, **more: Any) -> Exchange:
        """Post a body to a service, and take a 401 for an answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send("POST", f"/cds-services/{service['id']}", raw, **more)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send with a good token; another one where ``token`` is given, none at all for None."""
        signed = self.token(path) if token == "" else token
        sent = {"accept": "application/json", **(headers or {})}
        if body:
            sent.setdefault("content-type", "application/json")
        if signed:
            sent["authorization"] = f"Bearer {signed}"
        return await self.session.send(method, path, headers=sent, body=body, token=False)

    def token(self, path: str, *, header: Mapping[str, Any] | None = None, **change: Any) -> str | None:
        """Return a good token for a path; ``change`` alters claims (None takes one away), ``header`` the header."""
        if self.client is None:
            return None
        from joserfc import jwt  # a tenth of a second that a run without a key does not need

        now = int(self.clock().timestamp())
        claims: Json = {
            "iss": self.client.issuer,
            "aud": f"{self.url}{path}",
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
            **change,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": self.client.algorithm, "typ": "JWT", "kid": self.client.key.kid, **(header or {})}
        return jwt.encode(head, kept, self.client.key, algorithms=[self.client.algorithm])

    def without_client(self) -> str:
        """Return why checks of tokens are not run."""
        return "no client key was given (--issuer and --key), so tokens were not tried"

    def _store(self, person: str) -> Store:
        store = Store(lambda: self.now)
        for one in self._people[person].resources:
            store.create(copy.deepcopy(dict(one)), one["id"])
        return store


def templates_fit(service: Mapping[str, Any]) -> bool:
    """Return whether a service's prefetch is what it has to be: none, or an object of texts."""
    return "prefetch" not in service or templates(service) == service["prefetch"]


def templates(service: Mapping[str, Any]) -> dict[str, str]:
    """Return a service's prefetch templates, without those that are no text."""
    held: Any = service.get("prefetch")
    listed = cast("Json", held) if isinstance(held, dict) else {}
    return {key: template for key, template in listed.items() if isinstance(template, str)}
