"""The EHR client: what it sends, what it follows, and what it refuses."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest
import respx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from service.drafts.signature.signing import Signer
from service.ehr import prescriber, smart_configuration, transport
from service.ehr.client import MAX_PAGES, EhrClient
from service.ehr.transport import EhrRefused, retry_after
from service.errors import BadRequest, ConfigError, EhrFailed, Forbidden, Unauthenticated
from service.settings import Ehr, Server, Settings

BASE = "https://ehr.example/fhir"
T = TypeVar("T")
SIGNER = Signer(ECKey.generate_key("P-384"))
SMART = {
    "issuer": BASE,
    "token_endpoint": "https://login.example/token",
    "authorization_endpoint": "https://login.example/authorize",
    "jwks_uri": "https://login.example/jwks",
    "token_endpoint_auth_methods_supported": ["private_key_jwt"],
}
DOCTOR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/practitioner-role", "code": "doctor"}]}
NURSE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/practitioner-role", "code": "nurse"}]}


def client_of(base: str = BASE, *, development: bool = False, **more: Any) -> EhrClient:
    """Return a client of one tenant."""
    ehr = Ehr.model_validate({"id": "north", "name": "North", "fhir_base": base, **more})
    return EhrClient(ehr, SIGNER, Settings(server=Server(development=development), ehr=(ehr,)))


def use(act: Callable[[EhrClient], Awaitable[T]], client: EhrClient | None = None) -> T:
    """Run against a client and close it."""

    async def inner() -> T:
        used = client or client_of()
        try:
            return await act(used)
        finally:
            await used.close()

    return asyncio.run(inner())


def bundle(*entries: dict[str, Any], following: str | None = None) -> httpx.Response:
    """Return a searchset page."""
    links = [{"relation": "next", "url": following}] if following else []
    body = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return httpx.Response(200, json=body | {"entry": [{"resource": e} for e in entries]})


@respx.mock
def test_a_read_sends_the_users_token_and_asks_for_fhir_json() -> None:
    """A read carries the caller's token, asks for FHIR JSON, and returns the bytes unchanged."""
    route = respx.get(f"{BASE}/Patient/1").respond(content=b'{"resourceType":"Patient",  "id":"1"}')
    assert use(lambda c: c.read("Patient/1", "abc")) == b'{"resourceType":"Patient",  "id":"1"}'
    sent = route.calls.last.request.headers
    assert (sent["authorization"], sent["accept"]) == ("Bearer abc", "application/fhir+json")


@respx.mock
def test_an_absolute_reference_below_the_base_is_read_there() -> None:
    """A reference that is absolute below the tenant's base is read as its relative form."""
    respx.get(f"{BASE}/Patient/1").respond(content=b"{}")
    assert use(lambda c: c.read(f"{BASE}/Patient/1")) == b"{}"


@respx.mock
def test_a_posted_search_sends_its_parameters_as_a_form_and_follows_the_next_page() -> None:
    """``post`` puts the parameters, decoded once, into the body of ``_search``; the next page is a plain GET."""
    following = f"{BASE}/Observation?page=2"
    route = respx.post(f"{BASE}/Observation/_search").mock(return_value=bundle({"id": "a"}, following=following))
    respx.get(following).mock(return_value=bundle({"id": "b"}))
    query = "Observation?patient=1&code=http://loinc.org|1-8,http://loinc.org|2-6&x=a%2Cb"
    assert len(use(lambda c: c.search(query, "abc", post=True))) == 2
    sent = route.calls.last.request
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["authorization"] == "Bearer abc"
    expected = {"patient": "1", "code": "http://loinc.org|1-8,http://loinc.org|2-6", "x": "a,b"}
    assert dict(parse_qsl(sent.content.decode())) == expected


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.example/Patient/1",
        "http://169.254.169.254/latest/meta-data",
        f"{BASE}/../admin/1",
        "//evil.example/Patient/1",
        "Patient/1?x=y",
        "Patient/1/$everything",
        "Patient/" + "a" * 65,
        "Patient/..%2f..",
        "",
        "urn:uuid:3f1b9f6e-6f2b-4d59-9d5e-000000000000",
    ],
)
@respx.mock
def test_no_reference_outside_the_base_is_fetched(reference: str) -> None:
    """A reference that is not Type/id at this EHR is refused before any connection."""
    with pytest.raises(BadRequest) as refused:
        use(lambda c: c.read(reference))
    assert refused.value.code == "U-FHIR-REFERENCE"
    assert not respx.calls


@respx.mock
def test_pages_are_followed_below_the_base() -> None:
    """A search follows next links below the base, relative ones too, and returns every page in order."""
    respx.get(f"{BASE}/Observation", params={"patient": "1"}).mock(return_value=bundle(following=f"{BASE}?page=2"))
    respx.get(f"{BASE}", params={"page": "2"}).mock(return_value=bundle(following="Observation?page=3"))
    respx.get(f"{BASE}/Observation", params={"page": "3"}).mock(return_value=bundle({"id": "last"}))
    pages = use(lambda c: c.search("Observation?patient=1"))
    assert len(pages) == 3
    assert b"last" in pages[2]


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/fhir/Observation?page=2",
        "http://ehr.example/fhir/Observation?page=2",
        "https://ehr.example:8443/fhir/Observation?page=2",
        "https://ehr.example/admin",
        "https://ehr.example/fhirther/x",
        "https://ehr.example/fhir/%2e%2e/admin",
        "https://ehr.example/fhir/../admin",
        "https://user@ehr.example/fhir/Observation",
        "https://evil.example\\@ehr.example/fhir/x",
        "//evil.example/fhir/x",
        "file:///etc/passwd",
        "https://[broken/fhir/x",
    ],
)
@respx.mock
def test_a_next_link_outside_the_base_is_refused(following: str) -> None:
    """A next link with another scheme, host, port or path is refused and not fetched with the token."""
    respx.get(f"{BASE}/Observation").mock(return_value=bundle(following=following))
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.search("Observation", "abc"))
    assert refused.value.code == "U-EHR-NEXT-LINK"
    assert len(respx.calls) == 1


@respx.mock
def test_a_list_that_does_not_end_is_refused_and_not_cut() -> None:
    """A search of more pages than the cap is refused: a part must not be read as the whole."""
    route = respx.get(f"{BASE}/Observation").mock(return_value=bundle(following=f"{BASE}/Observation"))
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.search("Observation"))
    assert (refused.value.code, route.call_count) == ("U-EHR-PAGES", MAX_PAGES)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b'{"resourceType":"Patient"}', b'{"link": 1}'])
@respx.mock
def test_a_search_answer_that_is_no_bundle_is_refused(body: bytes) -> None:
    """A search answer that is not a Bundle is an error of the EHR, never an empty list."""
    respx.get(f"{BASE}/Observation").respond(content=body)
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.search("Observation"))
    assert refused.value.code == "U-EHR-ANSWER"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@respx.mock
def test_redirects_are_refused(status: int) -> None:
    """A redirect is refused and its target is never called."""
    target = respx.get("https://evil.example/").respond(200)
    respx.get(f"{BASE}/Patient/1").respond(status, headers={"Location": "https://evil.example/"})
    with pytest.raises(EhrRefused) as refused:
        use(lambda c: c.read("Patient/1", "abc"))
    assert refused.value.code == "U-EHR-REDIRECT"
    assert not target.called


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [(400, "U-EHR-REFUSED", False), (401, "U-EHR-SCOPE", False), (403, "U-EHR-SCOPE", False),
     (404, "U-EHR-REFUSED", False), (408, "U-EHR-BUSY", True), (409, "U-EHR-REFUSED", False),
     (429, "U-EHR-BUSY", True), (500, "U-EHR-UNREACHABLE", True), (501, "U-EHR-REFUSED", False),
     (503, "U-EHR-UNREACHABLE", True)],
)  # fmt: skip
@respx.mock
def test_an_error_answer_keeps_its_status(status: int, code: str, passing: bool) -> None:
    """An error answer is EhrRefused with its status, passing for 429 and 5xx, and quotes nothing of it."""
    respx.get(f"{BASE}/Patient/secret").respond(status, content=b"MRN 12345", headers={"Retry-After": "7"})
    with pytest.raises(EhrRefused) as refused:
        use(lambda c: c.read("Patient/secret"))
    error = refused.value
    assert (error.code, error.http_status, error.passing, error.retry_after_s) == (code, status, passing, 7)
    assert "secret" not in str(error)
    assert "12345" not in str(error)


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
@respx.mock
def test_a_broken_connection_is_unreachable(fault: type[Exception]) -> None:
    """No connection, no answer in time and a broken answer are all U-EHR-UNREACHABLE."""
    respx.get(f"{BASE}/Patient/1").mock(side_effect=fault)
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.read("Patient/1"))
    assert refused.value.code == "U-EHR-UNREACHABLE"


@respx.mock
def test_a_slow_exchange_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that drips for longer than a whole exchange may take is stopped."""

    async def drip(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    monkeypatch.setattr(transport, "EXCHANGE_S", 0.05)
    respx.get(f"{BASE}/Patient/1").mock(side_effect=drip)
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.read("Patient/1"))
    assert refused.value.code == "U-EHR-UNREACHABLE"


@respx.mock
def test_a_huge_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer above the byte cap is refused while it is read."""
    monkeypatch.setattr(transport, "BYTE_CAP", 1000)
    respx.get(f"{BASE}/Patient/1").respond(content=b"x" * 1001)
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.read("Patient/1"))
    assert refused.value.code == "U-EHR-SIZE"


@pytest.mark.parametrize(
    ("address", "development", "taken"),
    [
        ("https://ehr.example/fhir", False, True),
        ("https://EHR.example:443/fhir/", False, True),
        ("http://127.0.0.1:8080/fhir", True, True),
        ("http://[::1]:8080/fhir", True, True),
        ("http://localhost:8080/fhir", True, True),
        ("http://127.0.0.1:8080/fhir", False, False),
        ("http://ehr.example/fhir", True, False),
        ("http://2130706433/fhir", True, False),
        ("http://127.0.0.1.evil.example/fhir", True, False),
        ("https://user:pass@ehr.example/fhir", False, False),
        ("https://ehr.example/fhir?x=1", False, False),
        ("https://ehr.example/fhir#x", False, False),
        ("ftp://ehr.example/fhir", False, False),
        ("ehr.example/fhir", False, False),
    ],
)
def test_bases_are_https_or_loopback_in_development(address: str, development: bool, taken: bool) -> None:
    """A FHIR base is https, or plain http to loopback in development; anything else stops the start."""
    if taken:
        assert str(smart_configuration.fhir_base(address, development=development)).endswith("/fhir")
    else:
        with pytest.raises(ConfigError) as refused:
            client_of(address, development=development)
        assert refused.value.code == "U-CONFIG-VALUE"


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
@respx.mock
def test_discovery_that_names_plain_http_is_refused(endpoint: str) -> None:
    """A discovery document that names a plain-http endpoint is refused whole."""
    document = SMART | {endpoint: "http://login.example/x"}
    respx.get(f"{BASE}/.well-known/smart-configuration").respond(json=document)
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.smart_configuration())
    assert refused.value.code == "U-EHR-SMART"


@respx.mock
def test_discovery_is_read_once() -> None:
    """The discovery document is kept, so that two questions make one request."""
    route = respx.get(f"{BASE}/.well-known/smart-configuration").respond(json=SMART)

    async def twice(client: EhrClient) -> str | None:
        await client.smart_configuration()
        return (await client.smart_configuration()).token_endpoint

    assert use(twice) == "https://login.example/token"
    assert route.call_count == 1


def token_route(*answers: dict[str, Any]) -> respx.Route:
    """Mock discovery and a token endpoint that gives these answers in order."""
    respx.get(f"{BASE}/.well-known/smart-configuration").respond(json=SMART)
    replies = [httpx.Response(200, json=answer) for answer in answers]
    return respx.post("https://login.example/token").mock(side_effect=replies)


@respx.mock
def test_a_backend_token_is_asked_for_with_a_signed_assertion_and_kept() -> None:
    """A backend token is asked for once, by an ES384 assertion for that endpoint of five minutes at most."""
    route = token_route({"access_token": "one", "expires_in": 300}, {"access_token": "two", "expires_in": 300})

    async def act(client: EhrClient) -> list[str | None]:
        kept = [await client.backend_token("system/Provenance.c") for _ in range(2)]

        async def refused_once(token: str | None) -> str | None:
            if token == "one":
                raise EhrRefused("U-EHR-REFUSED", "no longer", http_status=401)
            return token

        return [*kept, await client.authorised("system/Provenance.c", refused_once)]

    assert use(act) == ["one", "one", "two"]
    form = dict(httpx.QueryParams(route.calls[0].request.content.decode()))
    keys = KeySet.import_key_set(SIGNER.public_jwks())  # pyright: ignore[reportArgumentType]
    token = jwt.decode(form["client_assertion"], keys, algorithms=["ES384"])
    claims = token.claims
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "system/Provenance.c")
    assert (claims["iss"], claims["sub"], claims["aud"]) == (
        "undersign",
        "undersign",
        SMART["token_endpoint"],
    )
    assert 0 < claims["exp"] - claims["iat"] <= 300
    second = dict(httpx.QueryParams(route.calls[1].request.content.decode()))["client_assertion"]
    assert jwt.decode(second, keys, algorithms=["ES384"]).claims["jti"] != claims["jti"]


@pytest.mark.parametrize("answer", [{"access_token": "a"}, {"access_token": "a", "expires_in": 10}])
@respx.mock
def test_a_token_of_unknown_or_short_life_is_not_kept(answer: dict[str, Any]) -> None:
    """A token without expires_in, or about to end, is used once and asked for again."""
    route = token_route(answer, answer)

    async def twice(client: EhrClient) -> None:
        await client.backend_token("s")
        await client.backend_token("s")

    use(twice)
    assert route.call_count == 2


@respx.mock
def test_without_a_token_endpoint_only_development_goes_on() -> None:
    """An EHR that names no token endpoint gets no token in development and an error otherwise."""
    respx.get("http://127.0.0.1:9/fhir/.well-known/smart-configuration").respond(404)
    respx.get(f"{BASE}/.well-known/smart-configuration").respond(404)
    local = client_of("http://127.0.0.1:9/fhir", development=True)
    assert use(lambda c: c.backend_token("s"), local) is None
    with pytest.raises(EhrFailed) as refused:
        use(lambda c: c.backend_token("s"))
    assert refused.value.code == "U-EHR-SMART"


@respx.mock
def test_a_refused_code_is_a_denied_launch() -> None:
    """A code that the EHR refuses is U-LAUNCH-DENIED; a failure of the EHR stays one."""
    respx.get(f"{BASE}/.well-known/smart-configuration").respond(json=SMART)
    respx.post("https://login.example/token").mock(
        side_effect=[httpx.Response(400, json={"error": "invalid_grant"}), httpx.Response(503)]
    )
    with pytest.raises(Forbidden) as denied:
        use(lambda c: c.token({"grant_type": "authorization_code", "code": "x"}))
    assert denied.value.code == "U-LAUNCH-DENIED"
    with pytest.raises(EhrRefused):
        use(lambda c: c.token({"grant_type": "authorization_code", "code": "x"}))


def role(ident: str = "r1", who: str = "Practitioner/p1", **more: Any) -> dict[str, Any]:
    """Return a PractitionerRole that may prescribe, with changes."""
    known = {"resourceType": "PractitionerRole", "id": ident, "active": True, "code": [DOCTOR]}
    return known | {"practitioner": {"reference": who}} | more


def may_prescribe(practitioner: httpx.Response, *roles: dict[str, Any], **more: Any) -> prescriber.Prescriber:
    """Ask whether p1 may prescribe at an EHR with this Practitioner and these roles."""
    respx.get(f"{BASE}/Practitioner/p1").mock(return_value=practitioner)
    respx.get(f"{BASE}/PractitionerRole").mock(return_value=bundle(*roles))
    return use(lambda c: c.practitioner_may_prescribe("Practitioner/p1", "abc"), client_of(**more))


ACTIVE = httpx.Response(200, json={"resourceType": "Practitioner", "id": "p1", "active": True})


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        ([role()], "PractitionerRole/r1"),
        ([role(who=f"{BASE}/Practitioner/p1")], "PractitionerRole/r1"),
        ([role("r0", code=[NURSE]), role()], "PractitionerRole/r1"),
        ([role(period={"start": "2020"})], "PractitionerRole/r1"),
        ([role(period={"start": "2020-01-01", "end": "2999-12-31"})], "PractitionerRole/r1"),
    ],
)
@respx.mock
def test_an_active_prescriber_may_sign(roles: list[dict[str, Any]], found: str) -> None:
    """An active practitioner with an active prescriber role in period may prescribe in that role."""
    assert may_prescribe(ACTIVE, *roles).role == found


@pytest.mark.parametrize(
    "roles",
    [
        [],
        [role(active=False)],
        [{k: v for k, v in role().items() if k != "active"}],
        [role(code=[NURSE])],
        [role(code=[])],
        [role(code=[{"coding": [{"system": "http://example.org", "code": "doctor"}]}])],
        [role(code=[{"text": "doctor"}])],
        [role(who="Practitioner/p2")],
        [role(who="https://other.example/fhir/Practitioner/p1")],
        [role(period={"end": "2001"})],
        [role(period={"start": "2999-01-01"})],
        [role(period={"end": "soon"})],
        [{"resourceType": "OperationOutcome", "id": "x"}],
    ],
)
@respx.mock
def test_without_an_active_prescriber_role_nobody_signs(roles: list[dict[str, Any]]) -> None:
    """No role, or one inactive, another person's, out of period or without a prescriber code, is refused."""
    with pytest.raises(Forbidden) as refused:
        may_prescribe(ACTIVE, *roles)
    assert refused.value.code == "U-SIGNER-ROLE"


@respx.mock
def test_a_site_may_add_its_own_role_codes() -> None:
    """A role code in ehr.users.prescriber_role_codes counts as a prescriber's."""
    own = role(code=[{"coding": [{"system": "urn:site", "code": "9"}]}])
    assert may_prescribe(ACTIVE, own, users={"prescriber_role_codes": ["urn:site|9"]}).role == "PractitionerRole/r1"


def practitioner(**changes: Any) -> httpx.Response:
    """Return the answer to a read of p1, with changes."""
    return httpx.Response(200, json={"resourceType": "Practitioner", "id": "p1", "active": True} | changes)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(404), Forbidden, "U-SIGNER-UNKNOWN"),
        (httpx.Response(410), Forbidden, "U-SIGNER-UNKNOWN"),
        (httpx.Response(401), Unauthenticated, "U-AUTH"),
        (httpx.Response(403), EhrFailed, "U-EHR-SCOPE"),
        (httpx.Response(503), EhrFailed, "U-EHR-UNREACHABLE"),
        (httpx.Response(200, content=b"{"), EhrFailed, "U-EHR-ANSWER"),
        (practitioner(active=False), Forbidden, "U-SIGNER-INACTIVE"),
        (practitioner(active=None), Forbidden, "U-SIGNER-INACTIVE"),
        (practitioner(active="true"), EhrFailed, "U-EHR-ANSWER"),
        (practitioner(id="p2"), Forbidden, "U-SIGNER-UNKNOWN"),
        (practitioner(resourceType="Device"), Forbidden, "U-SIGNER-UNKNOWN"),
    ],
)
@respx.mock
def test_a_practitioner_who_is_not_known_to_be_active_does_not_sign(
    answer: httpx.Response, kind: type[Exception], code: str
) -> None:
    """Unknown, inactive, unreadable and unreachable practitioners are refused, each by its own code."""
    with pytest.raises(kind) as refused:
        may_prescribe(answer, role())
    assert refused.value.code == code  # pyright: ignore[reportAttributeAccessIssue]


def test_every_shipped_role_code_is_verified_and_has_its_source() -> None:
    """The shipped prescriber roles are all verified rows, and include a psychiatrist's."""
    path = Path(prescriber.__file__).parents[1] / "data" / "prescriber_roles.csv"
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    assert rows[0] == ["system", "code", "display", "source", "date", "verified"]
    assert "http://snomed.info/sct|80584001" in prescriber.shipped_role_codes()
    assert len(prescriber.shipped_role_codes()) == len(rows) - 1


@pytest.mark.parametrize(
    ("period", "at", "holds"),
    [
        ({"end": "2026-03"}, "2026-03-31T23:00:00Z", True),
        ({"end": "2026-03"}, "2026-04-01T00:00:00Z", False),
        ({"end": "2026-03-31"}, "2026-03-31T23:59:59Z", True),
        ({"end": "2026-03-31T10:00:00Z"}, "2026-03-31T10:00:00Z", True),
        ({"end": "2026-03-31T10:00:00Z"}, "2026-03-31T10:00:01Z", False),
        ({"end": "2026-03-31T10:00:00-04:00"}, "2026-03-31T13:59:00Z", True),
        ({"end": "2026-03-31T10:00:00-04:00"}, "2026-03-31T14:01:00Z", False),
        ({"start": "2026-03-31T10:00:00Z"}, "2026-03-31T09:59:59Z", False),
        ({"start": "2026-03-31T10:00:00Z"}, "2026-03-31T10:00:00Z", True),
        ({"start": "2026-03-31"}, "2026-03-31T00:00:00Z", True),
        ({"end": "soon"}, "2026-03-31T00:00:00Z", False),
        ({}, "2026-03-31T00:00:00Z", True),
    ],
)
def test_a_role_holds_from_its_beginning_to_its_end(period: dict[str, str], at: str, holds: bool) -> None:
    """To the second where a boundary says a time with its zone, and through the whole day where it says a day."""
    page = json.dumps({"entry": [{"resource": role(period=period)}]}).encode()
    asked = ([page], frozenset({"Practitioner/p1"}), prescriber.shipped_role_codes(), datetime.fromisoformat(at))
    if holds:
        assert prescriber.prescribing_role(*asked).role == "PractitionerRole/r1"
        return
    with pytest.raises(Forbidden) as refused:
        prescriber.prescribing_role(*asked)
    assert refused.value.code == "U-SIGNER-ROLE"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("0", 0),
        ("86400", 300),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 10:00:30 -0000", 30),
        ("later", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_capped(header: str | None, seconds: int | None) -> None:
    """Retry-After is read as seconds or as an HTTP date, at most 300 seconds, and ignored when unreadable."""
    assert retry_after(header, datetime(2026, 11, 22, 10, 0, tzinfo=UTC)) == seconds
