"""The reference EHR: search, conditional writes, versions, tokens, and what it refuses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from conformance.reference_ehr import instants, patients, prefetch, scopes
from conformance.reference_ehr.clients import ASSERTION_TYPE, Client
from conformance.reference_ehr.ehr import SCRIPT_CLIENT, SCRIPT_REDIRECT, ReferenceEhr, build, default_clients
from conformance.reference_ehr.oauth import s256
from conformance.reference_ehr.server import create_app

ROOT = "http://127.0.0.1:18900"
BASE = f"{ROOT}/fhir"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BACKEND = "backend-under-test"
VERIFIER = "a-verifier-that-is-long-enough-for-rfc-7636-section-4"


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Bench:
    """An EHR, its clock, an HTTP client, and the key of a registered backend app."""

    ehr: ReferenceEhr
    http: TestClient
    clock: Clock
    key: ECKey = field(repr=False)

    def token(self, scope: str = "system/*.rs system/MedicationRequest.crus system/Provenance.crus") -> str:
        claims = {"client_id": BACKEND, "scope": scope}
        return self.ehr.keys.sign({**self.claims(), **claims})

    def claims(self) -> dict[str, object]:
        times = {"iat": int(self.clock.now.timestamp()), "exp": int(self.clock.now.timestamp()) + 300}
        return {"iss": BASE, "aud": BASE, "sub": BACKEND, **times}

    def get(self, path: str, **headers: str):
        return self.http.get(path, headers={"Authorization": f"Bearer {self.token()}", **headers})

    def post(self, path: str, body: object, **headers: str):
        sent = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/fhir+json", **headers}
        return self.http.post(path, json=body, headers=sent)

    def put(self, path: str, body: object, **headers: str):
        sent = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/fhir+json", **headers}
        return self.http.put(path, json=body, headers=sent)

    def assertion(self, **changes: object) -> dict[str, str]:
        now = int(self.clock.now.timestamp())
        claims = {
            "iss": BACKEND,
            "sub": BACKEND,
            "aud": f"{ROOT}/token",
            "exp": now + 240,
            "jti": str(uuid4()),
            **changes,
        }
        header = {"alg": "ES384", "kid": self.key.kid}
        return {
            "grant_type": "client_credentials",
            "scope": "system/MedicationRequest.crus",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(header, claims, self.key, algorithms=["ES384"]),
        }


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give an EHR at noon with the default script client and one backend app."""
    key = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
    backend = Client(
        BACKEND, ("system/*.rs", "system/MedicationRequest.crus"), jwks={"keys": [key.as_dict(private=False)]}
    )
    clock = Clock()
    ehr = build(ROOT, clients=(*default_clients(None), backend), clock=clock)
    with TestClient(create_app(ehr), base_url=ROOT, follow_redirects=False) as http:
        yield Bench(ehr, http, clock, key)


def _order(identifier: str = "a", patient: str = "jonas-weber") -> dict[str, object]:
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": "https://reference-ehr.example/orders", "value": identifier}],
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Sertraline 50 mg tablet"},
        "subject": {"reference": f"Patient/{patient}"},
        "requester": {"reference": "Practitioner/dr-lindqvist"},
    }


def _total(bench: Bench, query: str) -> int:
    answer = bench.get(f"/fhir/{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("Observation?patient=amara-osei&code=44261-6", 2),
        ("Observation?patient=amara-osei&code=http://loinc.org|44261-6", 2),
        ("Observation?patient=amara-osei&code=http://snomed.info/sct|44261-6", 0),
        ("Observation?patient=amara-osei&code=44261-6,http://loinc.org|2951-2", 3),
        ("Observation?subject=Patient/amara-osei&code=44261-6", 2),
        (f"Observation?subject={BASE}/Patient/amara-osei&code=44261-6", 2),
        ("Observation?patient=amara-osei&code=44261-6&date=ge2026-11-01", 1),
        ("Observation?patient=amara-osei&code=44261-6&date=lt2026-11-01", 1),
        ("Observation?patient=amara-osei&code=44261-6&date=2026-11", 1),
        ("Observation?patient=amara-osei&code=44261-6&date=gt2026-11-03", 0),
        ("Observation?patient=amara-osei&code=44261-6&date=le2026-11-03&date=ge2026-11-03", 1),
        ("Observation?patient=amara-osei&category=vital-signs", 5),
        ("Observation?patient=nobody&category=vital-signs", 0),
        ("MedicationRequest?patient=amara-osei&status=active,draft&intent=order", 1),
        ("MedicationRequest?patient=amara-osei&status=stopped", 0),
        ("PractitionerRole?practitioner=dr-lindqvist", 1),
        ("PractitionerRole?practitioner=Practitioner/dr-lindqvist&active=true", 1),
        ("PractitionerRole?practitioner=dr-aalto&active=true", 0),
        ("Patient?_id=amara-osei,jonas-weber", 2),
        ("Patient?identifier=https://reference-ehr.example/patients|REF-amara-osei", 1),
        ("Patient?name=osei", 1),
        ("Condition?patient=george-papadakis&clinical-status=active", 1),
        ("Provenance?target=MedicationRequest/none", 0),
    ],
)
def test_search_finds_exactly_what_the_query_asks_for(bench: Bench, query: str, total: int) -> None:
    """Each search parameter narrows the answer to the resources that fit it, and to no others."""
    assert _total(bench, query) == total


def test_a_search_is_read_by_its_form_too(bench: Bench) -> None:
    """POST _search answers as GET does."""
    headers = {"Authorization": f"Bearer {bench.token()}"}
    form = {"patient": "amara-osei", "code": "44261-6"}
    assert bench.http.post("/fhir/Observation/_search", data=form, headers=headers).json()["total"] == 2


def test_following_next_links_gives_every_match_once(bench: Bench) -> None:
    """Pages of three, followed to the end, hold all matches without repeats."""
    pages: list[dict[str, Any]] = []
    address: str | None = "/fhir/Observation?patient=amara-osei&_count=3"
    while address is not None:
        pages.append(bench.get(address).json())
        following = [link["url"] for link in pages[-1]["link"] if link["relation"] == "next"]
        address = following[0] if following else None
    seen = [entry["resource"]["id"] for page in pages for entry in page["entry"]]
    assert len(seen) == len(set(seen)) == pages[0]["total"] > 9


def test_an_unknown_parameter_is_refused_in_strict_handling_only(bench: Bench) -> None:
    """Lenient handling leaves it out of the self link; strict handling answers 400."""
    lenient = bench.get("/fhir/Patient?colour=red&_id=amara-osei")
    strict = bench.get("/fhir/Patient?colour=red&_id=amara-osei", Prefer="handling=strict")
    assert lenient.json()["total"] == 1
    assert "colour" not in lenient.json()["link"][0]["url"]
    assert (strict.status_code, strict.json()["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize("query", ["code:in=x", "date=sa2026", "date=soon", "date=2026-02-31", "_count=many"])
def test_what_search_cannot_do_is_refused(bench: Bench, query: str) -> None:
    """A modifier, prefix or value that is not understood is never ignored."""
    assert bench.get(f"/fhir/Observation?{query}").status_code == 400


def test_includes_bring_the_drug_and_revincludes_the_provenance(bench: Bench) -> None:
    """_include resolves medicationReference and _revinclude finds Provenance by its target."""
    order = bench.get("/fhir/MedicationRequest?patient=daniel-okafor&_include=MedicationRequest:medication").json()
    assert [entry["search"]["mode"] for entry in order["entry"]] == ["match", "include"]
    target = f"MedicationRequest/{order['entry'][0]['resource']['id']}"
    provenance = _provenance(target)
    assert bench.post("/fhir/Provenance", provenance).status_code == 201
    found = bench.get(f"/fhir/MedicationRequest?_id={target[18:]}&_revinclude=Provenance:target").json()
    assert [entry["resource"]["resourceType"] for entry in found["entry"]] == [
        "MedicationRequest",
        "Provenance",
    ]


def _provenance(target: str) -> dict[str, object]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": "2026-11-22T12:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/dr-lindqvist"}}],
    }


def test_a_created_resource_has_version_location_and_the_decimals_as_sent(bench: Bench) -> None:
    """201 comes with ETag and Location, and 0.50 does not become 0.5."""
    body = _order() | {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 0.5, "unit": "mg"}}]}]}
    raw = json.dumps(body).replace("0.5", "0.50")
    headers = {"Authorization": f"Bearer {bench.token()}", "Content-Type": "application/fhir+json"}
    made = bench.http.post("/fhir/MedicationRequest", content=raw, headers=headers)
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    assert made.headers["location"].startswith(f"{BASE}/MedicationRequest/")
    assert '"value":0.50' in bench.get(made.headers["location"]).text


def test_a_conditional_create_makes_one_order_only(bench: Bench) -> None:
    """No match creates, one match returns it, two matches are refused with 412, and nothing is added."""
    condition = "identifier=https://reference-ehr.example/orders|a"
    statuses = [
        bench.post("/fhir/MedicationRequest", _order(), **{"If-None-Exist": condition}).status_code for _ in range(2)
    ]
    bench.post("/fhir/MedicationRequest", _order())
    refused = bench.post("/fhir/MedicationRequest", _order(), **{"If-None-Exist": condition})
    assert [*statuses, refused.status_code] == [201, 200, 412]
    assert _total(bench, f"MedicationRequest?{condition}") == 2


def test_an_update_needs_the_present_version(bench: Bench) -> None:
    """Without If-Match 428, with an old version 412, with the present one 200 and a new version."""
    made = bench.post("/fhir/MedicationRequest", _order()).json()
    path, changed = f"/fhir/MedicationRequest/{made['id']}", made | {"status": "stopped"}
    answers = [
        bench.put(path, changed),
        bench.put(path, changed, **{"If-Match": 'W/"7"'}),
        bench.put(path, changed, **{"If-Match": 'W/"1"'}),
        bench.put(path, changed, **{"If-Match": 'W/"1"'}),
    ]
    assert [answer.status_code for answer in answers] == [428, 412, 200, 412]
    assert bench.get(f"{path}/_history/1").json()["status"] == "active"
    assert bench.get(f"{path}/_history").json()["total"] == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"status": "banana"}, 422),
        ({"intent": "wish"}, 422),
        ({"subject": {"reference": "Patient/nobody"}}, 422),
        ({"subject": {"reference": "Practitioner/dr-lindqvist"}}, 422),
        ({"requester": {"reference": "Practitioner/dr-nobody"}}, 422),
        ({"medicationReference": {"reference": "Medication/medication-197889"}}, 422),
        ({"unheardOf": True}, 422),
        ({"resourceType": "Provenance"}, 422),
    ],
)
def test_an_invalid_order_is_refused_and_not_stored(bench: Bench, change: dict[str, object], status: int) -> None:
    """Wrong codes, unknown people and broken structure give 422 and an OperationOutcome, and nothing else."""
    before = _total(bench, "MedicationRequest")
    answer = bench.post("/fhir/MedicationRequest", _order() | change)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert _total(bench, "MedicationRequest") == before


def test_a_chart_is_read_only_but_for_orders_and_their_provenance(bench: Bench) -> None:
    """Creating a Patient is refused whatever the scope says."""
    token = bench.token("system/*.cruds")
    answer = bench.http.post(
        "/fhir/Patient",
        json={"resourceType": "Patient"},
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
    )
    assert answer.status_code == 405


def _transaction(*entries: tuple[str, dict[str, object]]) -> dict[str, object]:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": url,
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for url, resource in entries
        ],
    }


def test_a_transaction_resolves_urn_references_in_any_order(bench: Bench) -> None:
    """A Provenance that comes before its order points at the order's new id afterwards."""
    urn = f"urn:uuid:{uuid4()}"
    answer = bench.post("/fhir", _transaction((f"urn:uuid:{uuid4()}", _provenance(urn)), (urn, _order())))
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["201 Created"] * 2
    order = urlsplit(answer.json()["entry"][1]["response"]["location"]).path.split("/")[3]
    assert _total(bench, f"Provenance?target=MedicationRequest/{order}") == 1


def test_a_transaction_with_one_bad_entry_leaves_nothing(bench: Bench) -> None:
    """A refused second entry takes the first one back."""
    before = _total(bench, "MedicationRequest")
    bad = _order("b") | {"status": "banana"}
    bundle = _transaction((f"urn:uuid:{uuid4()}", _order("a")), (f"urn:uuid:{uuid4()}", bad))
    assert bench.post("/fhir", bundle).status_code == 422
    assert _total(bench, "MedicationRequest") == before


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe{}", b'{"a":' * 5000, b'{"a":NaN}'])
def test_bytes_that_are_no_json_object_are_refused(bench: Bench, raw: bytes) -> None:
    """Truncated, wrong or bottomless JSON gives 400 with an OperationOutcome."""
    headers = {"Authorization": f"Bearer {bench.token()}", "Content-Type": "application/fhir+json"}
    answer = bench.http.post("/fhir/MedicationRequest", content=raw, headers=headers)
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://elsewhere.example/fhir"},
        {"iss": "https://elsewhere.example/fhir"},
        {"exp": int(NOON.timestamp()) - 1},
        {"exp": None},
    ],
    ids=["aud", "iss", "expired", "no-exp"],
)
def test_a_token_that_is_not_for_here_and_now_is_refused(bench: Bench, change: dict[str, object]) -> None:
    """Another audience or issuer, a past or missing expiry: 401."""
    claims = {**bench.claims(), "client_id": BACKEND, "scope": "system/*.rs", **change}
    token = bench.ehr.keys.sign({key: value for key, value in claims.items() if value is not None})
    answer = bench.http.get("/fhir/Patient", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")


def test_only_metadata_and_discovery_are_open(bench: Bench) -> None:
    """Everything else under /fhir answers 401 without a token; another key's signature does not help."""
    stranger = ECKey.generate_key("P-384", auto_kid=True)
    claims = {**bench.claims(), "client_id": BACKEND, "scope": "system/*.rs"}
    forged = jwt.encode({"alg": "ES384", "kid": bench.ehr.keys.kid}, claims, stranger, algorithms=["ES384"])
    opened = ["metadata", ".well-known/smart-configuration", ".well-known/openid-configuration"]
    assert [bench.http.get(f"/fhir/{path}").status_code for path in opened] == [200, 200, 200]
    assert bench.http.get("/fhir/Patient/amara-osei").status_code == 401
    headers = {"Authorization": f"Bearer {forged}"}
    assert bench.http.get("/fhir/Patient/amara-osei", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("user/Patient.r", "Patient/amara-osei", 200),
        ("user/Patient.s", "Patient/amara-osei", 403),
        ("user/Patient.r", "Patient?_id=amara-osei", 403),
        ("user/Patient.read", "Patient?_id=amara-osei", 200),
        ("user/Observation.rs", "Patient/amara-osei", 403),
        ("openid fhirUser", "Patient/amara-osei", 403),
    ],
)
def test_a_scope_opens_its_own_interactions_only(bench: Bench, scope: str, path: str, status: int) -> None:
    """v2 letters and v1 words decide what a token may do."""
    headers = {"Authorization": f"Bearer {bench.token(scope)}"}
    assert bench.http.get(f"/fhir/{path}", headers=headers).status_code == status


def test_a_patient_scope_reaches_that_patient_only(bench: Bench) -> None:
    """With patient/*.rs another patient's resources are neither found nor read."""
    claims = {**bench.claims(), "client_id": BACKEND, "scope": "patient/*.rs", "patient": "jonas-weber"}
    headers = {"Authorization": f"Bearer {bench.ehr.keys.sign(claims)}"}
    bundle = bench.http.get("/fhir/Condition", headers=headers).json()
    subjects = {entry["resource"]["subject"]["reference"] for entry in bundle["entry"]}
    assert subjects == {"Patient/jonas-weber"}
    assert bench.http.get("/fhir/Patient/amara-osei", headers=headers).status_code == 404
    assert bench.http.get("/fhir/Practitioner/dr-lindqvist", headers=headers).status_code == 200


def test_a_backend_token_takes_one_signed_assertion_once(bench: Bench) -> None:
    """The first use of an assertion gives a five-minute token, the second is refused as a replay."""
    form = bench.assertion()
    first, second = (bench.http.post("/token", data=form) for _ in range(2))
    assert (first.status_code, first.json()["expires_in"]) == (200, 300)
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["scope"] == "system/MedicationRequest.crus"
    assert (second.status_code, second.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "change",
    [
        {"aud": f"{BASE}"},
        {"iss": "somebody-else"},
        {"sub": "somebody-else"},
        {"exp": int(NOON.timestamp()) - 1},
        {"exp": int(NOON.timestamp()) + 3600},
        {"jti": ""},
    ],
    ids=["aud", "iss", "sub", "expired", "too-long", "no-jti"],
)
def test_a_wrong_assertion_gives_no_token(bench: Bench, change: dict[str, object]) -> None:
    """Every claim of the assertion is checked."""
    answer = bench.http.post("/token", data=bench.assertion(**change))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_backend_gets_no_scope_that_it_is_not_registered_for(bench: Bench) -> None:
    """Asking for more than the ceiling gives the ceiling; asking for nothing of it gives invalid_scope."""
    cut = bench.http.post("/token", data=bench.assertion() | {"scope": "system/Patient.cruds"})
    none = bench.http.post("/token", data=bench.assertion() | {"scope": "user/Patient.rs"})
    assert cut.json()["scope"] == "system/Patient.rs"
    assert none.json()["error"] == "invalid_scope"


def _request(**changes: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": SCRIPT_CLIENT,
        "redirect_uri": SCRIPT_REDIRECT,
        "scope": "openid fhirUser user/Practitioner.r user/PractitionerRole.rs",
        "state": "state-1",
        "nonce": "nonce-1",
        "aud": BASE,
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
        "login_hint": "dr-lindqvist",
        **changes,
    }


def _code(bench: Bench, **changes: str) -> str:
    answer = bench.http.get("/authorize", params=_request(**changes))
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


def _exchange(bench: Bench, code: str, **changes: str):
    form = {
        "grant_type": "authorization_code",
        "client_id": SCRIPT_CLIENT,
        "redirect_uri": SCRIPT_REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
        **changes,
    }
    return bench.http.post("/token", data=form)


def test_a_login_names_the_practitioner_in_signed_tokens(bench: Bench) -> None:
    """The code gives an id_token with nonce and fhirUser, and an access token that opens what was granted."""
    answer = _exchange(bench, _code(bench)).json()
    claims = jwt.decode(answer["id_token"], bench.ehr.keys.public, algorithms=["ES384"]).claims
    expected = (SCRIPT_CLIENT, "nonce-1", f"{BASE}/Practitioner/dr-lindqvist")
    assert (claims["aud"], claims["nonce"], claims["fhirUser"]) == expected
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert bench.http.get("/fhir/Practitioner/dr-lindqvist", headers=headers).status_code == 200
    assert bench.http.get("/fhir/Patient/amara-osei", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "another-verifier-that-is-long-enough-too-00000"}, {"code_verifier": ""},
     {"redirect_uri": "http://127.0.0.1/elsewhere"}, {"client_id": BACKEND}],
    ids=["verifier", "no-verifier", "redirect", "client"],
)  # fmt: skip
def test_a_code_is_worth_nothing_to_anybody_else(bench: Bench, changes: dict[str, str]) -> None:
    """A wrong PKCE verifier, redirect address or app gives invalid_grant, and the code is spent."""
    code = _code(bench)
    assert _exchange(bench, code, **changes).json()["error"] == "invalid_grant"
    assert _exchange(bench, code).json()["error"] == "invalid_grant"


def test_a_code_dies_after_a_minute(bench: Bench) -> None:
    """A code that is older than its life gives no token."""
    code = _code(bench)
    bench.clock.now += timedelta(seconds=61)
    assert _exchange(bench, code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"aud": "https://elsewhere.example"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid launch", "launch": "unknown"}, "invalid_request"),
    ],
)
def test_a_wrong_authorisation_request_goes_back_with_its_error(
    bench: Bench, changes: dict[str, str], error: str
) -> None:
    """The app hears OAuth's own word and its state; no code is given."""
    location = urlsplit(bench.http.get("/authorize", params=_request(**changes)).headers["location"])
    answer = parse_qs(location.query)
    assert (answer["error"], answer["state"], "code" in answer) == ([error], ["state-1"], False)


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://127.0.0.1/evil"}, {"client_id": "nobody"}])
def test_an_unregistered_address_is_never_redirected_to(bench: Bench, changes: dict[str, str]) -> None:
    """A wrong app or redirect address is answered here with 400."""
    assert bench.http.get("/authorize", params=_request(**changes)).status_code == 400


def test_the_login_page_offers_the_synthetic_practitioners(bench: Bench) -> None:
    """Without a hint a page with one link for each account is shown."""
    page = bench.http.get("/authorize", params=_request(login_hint="")).text
    assert page.count("login_hint=") == len(bench.ehr.authorization.accounts) == 5


def test_an_ehr_launch_binds_user_and_patient_once(bench: Bench) -> None:
    """The launch gives its patient with the token without asking anybody, and works one time."""
    asked = {"patient": "amara-osei", "user": "dr-mensah", "client": SCRIPT_CLIENT}
    url = bench.http.post("/launch", json=asked).json()["url"]
    launch = parse_qs(urlsplit(url).query)["launch"][0]
    changes = {"scope": "openid fhirUser launch patient/*.rs", "launch": launch, "login_hint": ""}
    answer = _exchange(bench, _code(bench, **changes)).json()
    assert answer["patient"] == "amara-osei"
    again = bench.http.get("/authorize", params=_request(**changes)).headers["location"]
    assert "error=invalid_request" in again


def test_a_standalone_launch_asks_for_the_patient(bench: Bench) -> None:
    """launch/patient without a choice shows the patients; the chosen one comes with the token."""
    changes = {"scope": "openid launch/patient patient/*.rs"}
    assert bench.http.get("/authorize", params=_request(**changes)).text.count("&amp;patient=") == 10
    assert _exchange(bench, _code(bench, **changes, patient="mia-tanaka")).json()["patient"] == "mia-tanaka"


def test_the_front_page_says_what_this_is_not_and_links_the_charts(bench: Bench) -> None:
    """/ says that nobody here exists, and every chart opens as a page."""
    page = bench.http.get("/").text
    assert "synthetic" in page
    assert "Not a product" in page
    for person in bench.ehr.people:
        assert f"/charts/{person.id}" in page
        assert bench.http.get(f"/charts/{person.id}").status_code == 200
    assert bench.http.get("/charts/nobody").status_code == 404


def test_every_synthetic_resource_is_valid_and_its_references_resolve(bench: Bench) -> None:
    """The seeds pass the R4B models, belong to their patient, and refer only to what is there."""
    for person in bench.ehr.people:
        for resource in person.resources:
            kind = resource["resourceType"]
            model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
            model.model_validate(resource)
            owner = resource.get("subject", resource.get("patient", {"reference": f"Patient/{person.id}"}))
            assert owner["reference"] == f"Patient/{person.id}"
            for reference in _references(resource):
                assert reference.startswith("#") or bench.ehr.store.find(reference), reference


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2031, 2, 28)])
def test_the_records_never_go_stale(day: date) -> None:
    """On any day the last PHQ-9 of the first story is 19 days old and she is 63."""
    (amara,) = [person for person in patients.load(day) if person.id == "amara-osei"]
    totals = [r for r in amara.resources if r["id"].startswith("amara-osei-phq9-") and "valueQuantity" in r]
    latest = max(totals, key=lambda r: r["effectiveDateTime"])
    assert date.fromisoformat(latest["effectiveDateTime"][:10]) == day - timedelta(days=19)
    born = date.fromisoformat(amara.resources[0]["birthDate"])
    assert (day - born).days // 365.25 == 63


@pytest.mark.parametrize(
    ("requested", "ceiling", "granted"),
    [
        ("user/Patient.rs", ["user/*.rs"], "user/Patient.rs"),
        ("user/Patient.cruds", ["user/*.rs"], "user/Patient.rs"),
        ("user/Patient.read", ["user/*.rs"], "user/Patient.rs"),
        ("user/*.rs", ["user/Patient.rs"], ""),
        ("user/Observation.rs?category=x", ["user/*.rs"], ""),
        ("openid offline_access", ["openid"], "openid"),
        ("system/Patient.rs", ["system/*.rs"], ""),
    ],
)
def test_scopes_are_cut_to_the_ceiling(requested: str, ceiling: list[str], granted: str) -> None:
    """A user's token never holds more than the app is registered for, and no system scope."""
    assert scopes.cut(requested, ceiling, frozenset({"user", "patient"})) == granted


@pytest.mark.parametrize(
    ("asked", "element", "fits"),
    [
        ("2026", "2026-05-01", True),
        ("2026-05-01", "2026-05", False),
        ("ge2026-05-01", "2026-05", True),
        ("lt2026-05-02T00:00:00Z", "2026-05-01T23:59:59-01:00", False),
        ("gt2026-05-01", {"start": "2026-01-01"}, True),
        ("le2026-05-01", {"start": "2026-05-02", "end": "2026-06-01"}, False),
        ("2026-12", "2026-12-31T23:59:59.999Z", True),
    ],
)
def test_dates_are_compared_as_times_that_they_cover(asked: str, element: object, fits: bool) -> None:
    """Precision, zones and open periods count (R4 search.html#date)."""
    assert instants.matches(asked, element) is fits  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("template", "query"),
    [
        ("Patient/{{context.patientId}}", "Patient/p"),
        ("Practitioner/{{userPractitionerId}}", "Practitioner/d"),
        ("Observation?patient={{ context.patientId }}&_count=5", "Observation?patient=p&_count=5"),
        ("Encounter/{{context.encounterId}}", None),
        ("Observation?date=ge{{today() - 90 days}}", None),
        ("Patient/{{userPatientId}}", None),
    ],
)
def test_a_template_is_filled_or_its_key_left_out(template: str, query: str | None) -> None:
    """A token that the context does not hold makes the whole key unknown, never a query with a hole."""
    assert prefetch.expand(template, {"userId": "Practitioner/d", "patientId": "p"}) == query
