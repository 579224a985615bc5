"""Who is asking: which tokens and sessions are a practitioner, and that every other one is nobody."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from fastapi import Request
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhir_adapters.errors import UndersignError
from service.bootstrap import Services
from service.ehr import user_keys
from service.errors import EhrFailed, Forbidden, Unauthenticated
from service.smart import sessions, tokens
from service.smart.practitioner import Practitioner
from service.smart.sessions import Session
from service.smart.tokens import User
from tests.integration.fake_ehr import (
    BASE,
    PUBLIC_URL,
    USER_KEY,
    FakeEhr,
    ehr_settings,
    services_of,
    user_token,
)

T = TypeVar("T")
ABSENT: Any = None


def request(method: str = "GET", **headers: str) -> Request:
    """Return a request with these headers (underscores are dashes)."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": raw, "query_string": b""})


def use(act: Callable[[Services], Awaitable[T]], fake: FakeEhr | None = None, **tenant: Any) -> T:
    """Run against services of one tenant."""

    async def run() -> T:
        services = services_of(ABSENT, (ehr_settings(**tenant), fake or FakeEhr()))
        try:
            return await act(services)
        finally:
            for client in services.clients.values():
                await client.close()

    return asyncio.run(run())


def who(token: str, fake: FakeEhr | None = None, **tenant: Any) -> Practitioner:
    """Authenticate a bearer token."""
    bearer = request(authorization=f"Bearer {token}")
    return use(lambda services: tokens.authenticate(bearer, services), fake, **tenant)


def refused(token: str, **tenant: Any) -> tuple[type[UndersignError], str]:
    """Return the kind and code of the refusal of a token."""
    with pytest.raises(UndersignError) as error:
        who(token, **tenant)
    return type(error.value), error.value.code


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    """Return a token put together by hand."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, signature])


def test_a_users_token_is_its_practitioner() -> None:
    """A token of the tenant's EHR names the practitioner, the tenant, and when and how the user logged in."""
    login = int(time.time()) - 100
    found = who(user_token(auth_time=login, name="Dr Example", acr="urn:two", amr=["pwd", "mfa"]))
    assert found == Practitioner(
        reference="Practitioner/p1",
        display="Dr Example",
        ehr="north",
        role=None,
        subject="user-1",
        method="smart-bearer",
        authenticated=datetime.fromtimestamp(login, UTC),
        auth_time=datetime.fromtimestamp(login, UTC),
        acr="urn:two",
        amr=("pwd", "mfa"),
    )


@pytest.mark.parametrize("login", [None, 0, -5, True, "1700000000", [1], 9_999_999_999])
def test_a_login_that_the_token_does_not_prove_is_none(login: Any) -> None:
    """Without a time of login that can be, there is none: when the token was made is no login."""
    assert who(user_token(auth_time=login)).auth_time is None


@pytest.mark.parametrize(("amr", "found"), [("mfa", ()), (["mfa", 5], ("mfa",)), ({"mfa": 1}, ()), (None, ())])
def test_methods_of_login_are_a_list_of_texts(amr: Any, found: tuple[str, ...]) -> None:
    """amr counts as a list (RFC 8176); of anything else nothing is taken over."""
    assert who(user_token(amr=amr)).amr == found


@pytest.mark.parametrize("fhir_user", ["Practitioner/p1", f"{BASE}/Practitioner/p1"])
def test_the_practitioner_is_relative_or_below_the_base(fhir_user: str) -> None:
    """fhirUser is taken as Practitioner/id, relative or absolute below the tenant's base."""
    assert who(user_token(fhir_user)).reference == "Practitioner/p1"


@pytest.mark.parametrize(
    "fhir_user",
    [
        None,
        "",
        "Patient/1",
        "RelatedPerson/1",
        "Device/undersign",
        "PractitionerRole/r1",
        "Person/1",
        "Practitioner",
        "Practitioner/",
        "Practitioner/../Patient/1",
        "https://other.example/fhir/Practitioner/p1",
        f"{BASE}.evil.example/Practitioner/p1",
        "practitioner/p1",
    ],
)
def test_nobody_but_a_practitioner_of_the_ehr_comes_in(fhir_user: str | None) -> None:
    """Devices, patients, systems and practitioners of elsewhere are 403 U-SIGNER-NOT-PRACTITIONER."""
    assert refused(user_token(fhir_user)) == (Forbidden, "U-SIGNER-NOT-PRACTITIONER")


@pytest.mark.parametrize("scope", ["system/*.*", "openid fhirUser system/MedicationRequest.crus", ["system/*.rs"]])
def test_a_systems_token_is_nobodys_whomever_it_names(scope: Any) -> None:
    """A token with a system's scopes signs nothing, even where its fhirUser is a practitioner."""
    assert refused(user_token(scope=scope)) == (Forbidden, "U-SIGNER-NOT-PRACTITIONER")
    assert who(user_token(scope="openid fhirUser user/*.rs")).reference == "Practitioner/p1"


def user_of(token: str) -> User:
    """Return the user of a token, with the patient of its launch."""
    bearer = request(authorization=f"Bearer {token}")
    return use(lambda services: tokens.user(bearer, services))


@pytest.mark.parametrize(
    ("patient", "found"), [(None, None), ("", None), ("a-1", "Patient/a-1"), ("Patient/a-1", "Patient/a-1")]
)
def test_a_launchs_patient_is_an_id(patient: str | None, found: str | None) -> None:
    """The patient in the context of a token is one patient of the EHR, with or without its type."""
    assert user_of(user_token(patient=patient)).patient == found


@pytest.mark.parametrize("patient", [5, True, ["a-1"], {"id": "a-1"}, "a-1/_history/2", f"{BASE}/Patient/a-1", "a 1"])
def test_a_launchs_patient_that_cannot_be_read_is_not_every_patient(patient: Any) -> None:
    """A context that names somebody in another form opens nobody's chart."""
    with pytest.raises(Unauthenticated):
        user_of(user_token(patient=patient))


NOW = int(time.time())
LATER = NOW + 86_400  # what is made before the first test must not have expired at the last


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example/fhir"},
        {"iss": None},
        {"iss": 5},
        {"aud": "https://other.example"},
        {"aud": None},
        {"aud": []},
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": LATER},
        {"iat": -1e300, "auth_time": None},
        {"iat": 0, "auth_time": None},
        {"nbf": LATER},
        {"sub": 5},
        {"key": ECKey.generate_key("P-384", {"kid": "user-1"})},
        {"key": ECKey.generate_key("P-384", {"kid": "unknown"})},
    ],
)
def test_a_token_with_a_wrong_claim_or_key_is_nobody(changes: dict[str, Any]) -> None:
    """Wrong issuer, audience, times, subject or key are all the same 401 U-AUTH."""
    assert refused(user_token(**changes)) == (Unauthenticated, "U-AUTH")


CLAIMS = {"iss": BASE, "aud": BASE, "sub": "u", "iat": NOW, "exp": LATER, "fhirUser": "Practitioner/p1"}
PUBLIC = json.dumps(USER_KEY.as_dict(private=False)).encode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "..",
        "é.é.é",
        user_token(exp=LATER) + "x",
        user_token(exp=LATER)[:-4],
        user_token(exp=LATER).replace(".", ".."),
        "x" * 20_000,
        unsigned({"alg": "none"}, CLAIMS),
        unsigned({"alg": "none", "kid": "user-1"}, CLAIMS, "AAAA"),
        unsigned({}, CLAIMS, "AAAA"),
        unsigned({"alg": 5, "kid": "user-1"}, CLAIMS, "AAAA"),
        unsigned({"alg": "ES384", "kid": ["user-1"]}, CLAIMS, "AAAA"),
        unsigned({"alg": "ES384", "kid": "user-1", "crit": ["exp"], "exp": 1}, CLAIMS, "AAAA"),
        unsigned({"alg": "ES512", "kid": "user-1"}, CLAIMS, "AAAA"),
        jwt.encode({"alg": "HS256", "kid": "user-1"}, CLAIMS, OctKey.import_key(PUBLIC), algorithms=["HS256"]),
    ],
)
def test_what_is_not_a_signed_token_is_nobody(token: str) -> None:
    """Broken, unsigned and symmetrically signed tokens are 401 U-AUTH, whatever they claim."""
    assert refused(token) == (Unauthenticated, "U-AUTH")


@pytest.mark.parametrize(
    "header", ["Basic dTpw", "Bearer", "Bearer ", "bearer", "Token x", user_token(exp=LATER)], ids=range(6)
)
def test_an_authorization_that_is_not_bearer_is_nobody(header: str) -> None:
    """Another scheme than Bearer, or none, is 401 U-AUTH, even beside a session's cookie."""
    asked = request(authorization=header, cookie=f"__Host-{sessions.COOKIE}=x")
    with pytest.raises(Unauthenticated) as error:
        use(lambda services: tokens.authenticate(asked, services))
    assert error.value.code == "U-AUTH"


def test_the_refusal_says_nothing_of_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Every refusal of a token has the same message, and the log names the reason without the token."""
    messages: set[str] = set()
    for token in ("x", user_token(exp=NOW - 60), user_token(iss="https://other.example")):
        with pytest.raises(Unauthenticated) as error:
            who(token)
        messages.add(error.value.message)
        assert token not in capsys.readouterr().out or token == "x"
    assert len(messages) == 1


def test_audience_lists_hold_ours() -> None:
    """An audience list is taken when the tenant's is in it."""
    assert who(user_token(aud=["https://other.example", BASE])).ehr == "north"


def test_settings_name_issuer_and_audience() -> None:
    """ehr.users.issuer and audience take the place of what discovery says."""
    users = {"issuer": "https://login.example", "audience": "api://fhir"}
    assert who(user_token(iss="https://login.example", aud="api://fhir"), users=users).ehr == "north"
    assert refused(user_token(), users=users) == (Unauthenticated, "U-AUTH")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "RS384"])
def test_other_asymmetric_algorithms_are_taken(algorithm: str) -> None:
    """EHRs that sign users' tokens with ES256, RS256 or RS384 are understood."""
    key = ECKey.generate_key("P-256", {"kid": "k"}) if algorithm == "ES256" else RSAKey.generate_key(2048, {"kid": "k"})
    token = jwt.encode({"alg": algorithm, "kid": "k"}, CLAIMS, key, algorithms=[algorithm])
    assert who(token, Rotating([key])).reference == "Practitioner/p1"


class Rotating(FakeEhr):
    """An EHR that publishes the given keys, one more set at each request."""

    def __init__(self, *sets: list[Any]) -> None:
        super().__init__()
        self.sets = list(sets)
        self.asked = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer jwks from the sets, the last one again and again."""
        if not request.url.path.endswith("/jwks"):
            return await super().__call__(request)
        keys = self.sets[min(self.asked, len(self.sets) - 1)]
        self.asked += 1
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in keys]})


def test_a_new_key_is_fetched_once_when_its_kid_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token under a new key makes one fetch; made-up kids do not make a stream of them."""
    new = ECKey.generate_key("P-384", {"kid": "user-2"})
    ehr = Rotating([USER_KEY], [USER_KEY, new])

    async def story(services: Services) -> list[int]:
        async def ask(token: str) -> bool:
            try:
                await tokens.authenticate(request(authorization=f"Bearer {token}"), services)
            except Unauthenticated:
                return False
            return True

        assert await ask(user_token())
        monkeypatch.setattr(user_keys, "REFRESH_AT_MOST_EVERY_S", 0.0)
        assert await ask(user_token(key=new))
        counts = [ehr.asked]
        monkeypatch.setattr(user_keys, "REFRESH_AT_MOST_EVERY_S", 10.0)
        for number in range(5):
            assert not await ask(user_token(key=ECKey.generate_key("P-384", {"kid": f"made-up-{number}"})))
        return [*counts, ehr.asked]

    assert use(story, ehr) == [2, 2]


def test_an_ehr_that_is_down_is_not_a_wrong_token() -> None:
    """When the keys cannot be had the answer is 502 of the EHR, not 401 and not a pass."""
    fake = FakeEhr()
    fake.down = True
    with pytest.raises(EhrFailed) as error:
        who(user_token(), fake)
    assert error.value.code == "U-EHR-UNREACHABLE"


def test_a_token_that_fits_two_tenants_is_nobody() -> None:
    """Where issuer and audience fit two tenants, neither is guessed."""

    async def run() -> None:
        twin = ehr_settings(
            id="south", fhir_base="https://ehr.south.example/fhir", users={"issuer": BASE, "audience": BASE}
        )
        services = services_of(ABSENT, (ehr_settings(), FakeEhr()), (twin, FakeEhr()))
        with pytest.raises(Unauthenticated):
            await tokens.authenticate(request(authorization=f"Bearer {user_token()}"), services)

    asyncio.run(run())


SESSION = Session(
    practitioner=Practitioner(
        "Practitioner/p1",
        "Dr Example",
        "north",
        None,
        "user-1",
        "smart-session",
        datetime(2026, 11, 22, tzinfo=UTC),
    ),
    token="ehr-token",
    patient="Patient/example",
    csrf="csrf",
    expires=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=1),
)


@pytest.fixture(name="session")
def _session(monkeypatch: pytest.MonkeyPatch) -> None:
    async def current(_request: Request, _services: Services) -> Session:
        return SESSION

    monkeypatch.setattr(sessions, "current", current)


COOKIE = f"__Host-{sessions.COOKIE}=abc"


@pytest.mark.usefixtures("session")
def test_a_session_reads_with_its_cookie_alone() -> None:
    """A reading request needs the cookie only, and brings the session's practitioner, token and patient."""
    user = use(lambda services: tokens.user(request(cookie=COOKIE), services))
    assert (user.practitioner, user.token, user.patient) == (
        SESSION.practitioner,
        "ehr-token",
        "Patient/example",
    )
    assert "ehr-token" not in repr(user)


@pytest.mark.parametrize(
    ("origin", "csrf", "code"),
    [
        (PUBLIC_URL, "csrf", None),
        (PUBLIC_URL, "other", "U-CSRF"),
        (PUBLIC_URL, "", "U-CSRF"),
        (PUBLIC_URL, None, "U-CSRF"),
        ("https://evil.example", "csrf", "U-ORIGIN"),
        (PUBLIC_URL + ".evil.example", "csrf", "U-ORIGIN"),
        ("null", "csrf", "U-ORIGIN"),
        (None, "csrf", "U-ORIGIN"),
    ],
)
@pytest.mark.usefixtures("session")
def test_a_session_changes_only_from_its_own_page(origin: str | None, csrf: str | None, code: str | None) -> None:
    """A changing request of a session needs our own Origin and the session's anti-forgery token."""
    given = {"cookie": COOKIE, "origin": origin, "x_csrf_token": csrf}
    asked = request("POST", **{name: value for name, value in given.items() if value is not None})
    if code is None:
        assert use(lambda services: tokens.authenticate(asked, services)) == SESSION.practitioner
        return
    with pytest.raises(Forbidden) as error:
        use(lambda services: tokens.authenticate(asked, services))
    assert error.value.code == code


@pytest.mark.parametrize(
    ("changes", "nonce", "code"),
    [
        ({}, "n", None),
        ({}, "other", "U-AUTH"),
        ({"nonce": None}, "n", "U-AUTH"),
        ({"aud": BASE}, "n", "U-AUTH"),
        ({"exp": NOW - 60}, "n", "U-AUTH"),
        ({"iss": "https://other.example"}, "n", "U-AUTH"),
        ({"key": ECKey.generate_key("P-384", {"kid": "user-1"})}, "n", "U-AUTH"),
        ({"who": "Patient/1"}, "n", "U-SIGNER-NOT-PRACTITIONER"),
    ],
)
def test_an_id_token_is_for_this_client_and_this_launch(changes: dict[str, Any], nonce: str, code: str | None) -> None:
    """An id_token counts with our client id as audience, the launch's nonce, a Practitioner, in time."""
    given: dict[str, Any] = {"aud": "undersign", "nonce": "n", "auth_time": NOW - 60, "acr": "urn:two", **changes}
    token = user_token(**given)

    async def act(services: Services) -> tokens.Identity:
        return await tokens.check_id_token(services, services.tenant("north"), token, nonce)

    if code is None:
        login = datetime.fromtimestamp(NOW - 60, UTC)
        assert use(act) == tokens.Identity("Practitioner/p1", "user-1", None, login, "urn:two")
        return
    with pytest.raises(UndersignError) as error:
        use(act)
    assert error.value.code == code


def test_no_id_token_is_nobody() -> None:
    """A token answer without an id_token signs nobody in."""

    async def act(services: Services) -> tokens.Identity:
        return await tokens.check_id_token(services, services.tenant("north"), None, "n")

    with pytest.raises(Unauthenticated):
        use(act)


@pytest.mark.parametrize(
    ("claims", "users", "taken"),
    [
        ({}, {}, True),
        ({"client_id": "undersign"}, {}, True),
        ({"azp": "undersign"}, {}, True),
        ({"client_id": "some-wellness-app"}, {}, False),
        ({"client_id": "undersign", "azp": "some-wellness-app"}, {}, False),
        ({"azp": ["some-wellness-app"]}, {}, False),
        ({"client_id": 5}, {}, False),
        ({"client_id": "ward-app"}, {"clients": ("ward-app",)}, True),
        ({"client_id": "undersign"}, {"clients": ("ward-app",)}, False),
        ({}, {"clients": ("ward-app",)}, False),
    ],
)
def test_a_token_that_another_app_was_given_is_nobodys(
    claims: dict[str, Any], users: dict[str, Any], taken: bool
) -> None:
    """A user's token counts from the page's own app or one that the site lists, where the token names its app."""
    token = user_token(**claims)
    if taken:
        assert who(token, users=users).reference == "Practitioner/p1"
    else:
        with pytest.raises(Unauthenticated):
            who(token, users=users)
