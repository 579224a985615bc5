"""Nothing free-form is fetched: a listening canary that no call may reach, whatever it or the EHR says."""

import gzip
import json
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from service.ehr import addresses, prefetch, transport
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings
from tests.fixtures import prefetch as chart
from tests.integration.running import PATH, running
from tests.integration.sockets import Canary, Reply, canary, peer

TOKEN = {
    "access_token": "lent-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.rs",
    "subject": "s",
}
KEY = ECKey.generate_key("P-384", {"kid": "k"}, auto_kid=False)


def whole(path: str) -> Reply:
    """Answer a read or a search as the fixtures' EHR does."""
    values = chart.values()
    kind = urlsplit(path).path.removeprefix("/fhir/")
    if kind.startswith("Patient/"):
        return Reply(body=json.dumps(values["patient"]).encode())
    of = {"Condition": "conditions", "MedicationRequest": "medications", "Observation": "scores"}
    found = values[of[kind]] if kind in of else chart.bundle()
    return Reply(body=json.dumps(found).encode())


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """Let the service wait for its EHR for as long as a busy machine may take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "TIMEOUT", httpx.Timeout(60))
        for module, name in ((transport, "EXCHANGE_S"), (prefetch, "BUDGET_S")):
            patch.setattr(module, name, 60)
        yield


@pytest.fixture
def bird() -> Iterator[Canary]:
    """The canary."""
    with canary() as found:
        yield found


@contextmanager
def service(folder: Path, base: str, **client: Any) -> Generator[TestClient]:
    """Run the service for one tenant whose EHR is at ``base``."""
    known = CdsClient.model_validate({"required": False, **client})
    ehr = Ehr(id="north", name="North", fhir_base=base, cds_client=known)
    store, sign = StoreSettings(url=f"sqlite:///{folder}/undersign.db"), Sign(key_file=folder / "key.json")
    with running(Settings(server=Server(development=True), store=store, sign=sign, ehr=(ehr,))) as found:
        yield found


def call(client: TestClient, base: str, **change: Any) -> Any:
    """Call the hook with a lent token and, unless changed, with no prefetch at all."""
    return client.post(PATH, json=chart.request(fhirServer=base, fhirAuthorization=TOKEN, **{"prefetch": {}, **change}))


def code(answer: Any) -> str:
    """Return the stable code of a refusal."""
    return answer.json()["issue"][0]["details"]["coding"][0]["code"]


def test_the_ehr_is_read_at_its_base_and_with_the_lent_token(tmp_path: Path, bird: Canary) -> None:
    """With nothing sent, every key is read from the configured base, and only there."""
    with peer(whole) as ehr, service(tmp_path, ehr.base) as client:
        answer = call(client, ehr.base)
    assert answer.status_code == 200
    assert answer.json()["cards"]
    assert {urlsplit(path).path.split("/")[2] for path, _ in ehr.requests} >= {"Patient", "Condition", "Consent"}
    assert {headers["Authorization"] for _, headers in ehr.requests} == {"Bearer lent-token"}
    assert bird.connections == 0


FOREIGN: dict[str, Callable[[int, int], str]] = {
    "another host": lambda ehr, bird: f"http://127.0.0.2:{bird}/fhir",
    "another port of the same host": lambda ehr, bird: f"http://127.0.0.1:{bird}/fhir",
    "the base as user": lambda ehr, bird: f"http://127.0.0.1:{ehr}@127.0.0.1:{bird}/fhir",
    "user and password": lambda ehr, bird: f"http://a:b@127.0.0.1:{bird}/fhir",
    "backslash": lambda ehr, bird: f"http://127.0.0.1:{ehr}\\@127.0.0.1:{bird}/fhir",
    "a slash more": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir/",
    "a path that climbs": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir/../",
    "a fragment": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir#@127.0.0.1:{bird}",
    "a query": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir?x=http://127.0.0.1:{bird}",
    "trailing dot": lambda ehr, bird: f"http://localhost.:{bird}/fhir",
    "in capitals": lambda ehr, bird: f"HTTP://LOCALHOST:{bird}/FHIR",
    "one number": lambda ehr, bird: f"http://2130706433:{bird}/fhir",
    "hexadecimal": lambda ehr, bird: f"http://0x7f.1:{bird}/fhir",
    "octal": lambda ehr, bird: f"http://0177.0.0.1:{bird}/fhir",
    "in short": lambda ehr, bird: f"http://127.1:{bird}/fhir",
    "percent-encoded": lambda ehr, bird: f"http://127.0.0.1:{ehr}%2ffhir@127.0.0.1:{bird}/fhir",
    "a tab inside": lambda ehr, bird: f"http://127.0.0.1\t:{bird}/fhir",
    "a line break": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir\r\nHost: 127.0.0.1:{bird}",
    "unspecified IPv6": lambda ehr, bird: f"http://[::]:{bird}/fhir",
    "another address of loopback": lambda ehr, bird: f"http://127.8.8.8:{bird}/fhir",
    "metadata service after a user": lambda ehr, bird: f"http://127.0.0.1:{ehr}@169.254.169.254/fhir",
    "metadata service after a backslash": lambda ehr, bird: f"http://127.0.0.1:{ehr}\\@169.254.169.254/fhir",
    "zero": lambda ehr, bird: f"http://0:{bird}/fhir",
    "full-width dots": lambda ehr, bird: f"http://127。0。0。1:{bird}/fhir",
    "full-width digits": lambda ehr, bird: f"http://１２７.0.0.1:{bird}/fhir",
    "IPv6 loopback": lambda ehr, bird: f"http://[::1]:{bird}/fhir",
    "IPv4 in IPv6": lambda ehr, bird: f"http://[::ffff:127.0.0.1]:{bird}/fhir",
    "NAT64": lambda ehr, bird: f"http://[64:ff9b::7f00:1]:{bird}/fhir",
    "metadata service": lambda ehr, bird: "http://169.254.169.254/latest/meta-data",
    "a file": lambda ehr, bird: "file:///etc/passwd",
    "without scheme": lambda ehr, bird: f"//127.0.0.1:{bird}/fhir",
    "empty": lambda ehr, bird: "",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_fhirserver_reaches_nobody(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """A fhirServer that is not the tenant's base to the byte is 403; neither the canary nor the EHR hears of it."""
    with canary() as bird, peer(whole) as ehr, service(tmp_path_factory.mktemp("f"), ehr.base) as client:
        answer = call(client, FOREIGN[name](ehr.port, bird.port))
    assert (answer.status_code, code(answer)) == (403, "U-EHR-FHIRSERVER")
    assert (bird.connections, ehr.requests) == (0, [])
    assert "lent-token" not in answer.text


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(tmp_path: Path, bird: Canary, status: int) -> None:
    """An EHR that redirects to the canary is not read: 412 names the keys, and the token stays here."""
    away = Reply(status, headers={"Location": f"{bird.origin}/fhir/Patient/p1", "Refresh": f"0; {bird.origin}"})
    with peer(lambda _: away) as ehr, service(tmp_path, ehr.base) as client:
        answer = call(client, ehr.base)
    assert (answer.status_code, code(answer)) == (412, "U-CDS-PREFETCH")
    assert bird.connections == 0


LINKS: dict[str, Callable[[int, int], str]] = {
    "another port": lambda ehr, bird: f"http://127.0.0.1:{bird}/fhir/Condition?page=2",
    "without scheme": lambda ehr, bird: f"//127.0.0.1:{bird}/fhir/Condition",
    "the base as user": lambda ehr, bird: f"http://127.0.0.1:{ehr}@127.0.0.1:{bird}/fhir/Condition",
    "backslash": lambda ehr, bird: f"http:\\\\127.0.0.1:{bird}\\fhir\\Condition",
    "another scheme": lambda ehr, bird: f"https://127.0.0.1:{ehr}/fhir/Condition",
    "localhost": lambda ehr, bird: f"http://localhost:{ehr}/fhir/Condition",
    "out of the base": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir/../admin",
    "encoded climbing": lambda ehr, bird: f"http://127.0.0.1:{ehr}/fhir/%2e%2e/admin",
}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("sent", [False, True])
def test_a_next_link_to_elsewhere_is_not_followed(
    tmp_path_factory: pytest.TempPathFactory, name: str, sent: bool
) -> None:
    """A next page at another origin, in an answer or in a sent prefetch, reaches nobody; the list is no whole one."""
    with canary() as bird, peer(whole) as ehr:
        page = chart.values()["conditions"] | {"link": [{"relation": "next", "url": LINKS[name](ehr.port, bird.port)}]}
        ehr.answer = lambda path: Reply(body=json.dumps(page).encode()) if "/Condition" in path else whole(path)
        given = chart.values() | {"conditions": page} if sent else {}
        with service(tmp_path_factory.mktemp("l"), ehr.base) as client:
            answer = call(client, ehr.base, prefetch=given)
    assert bird.connections == 0
    assert [path for path, _ in ehr.requests if "admin" in path or "page=2" in path] == []
    if sent:
        assert "problems (only in part)" in answer.json()["cards"][0]["detail"]
    else:
        assert (answer.status_code, code(answer)) == (412, "U-CDS-PREFETCH")


def test_a_next_link_below_the_base_is_followed(tmp_path: Path) -> None:
    """The rest of a sent page is read at the EHR, and then the list is whole."""
    with peer(whole) as ehr, service(tmp_path, ehr.base) as client:
        values = chart.values()
        values["conditions"]["link"] = [{"relation": "next", "url": f"{ehr.base}/Condition?page=2"}]
        answer = call(client, ehr.base, prefetch=values)
    assert [path for path, _ in ehr.requests if "page=2" in path] == ["/fhir/Condition?page=2"]
    assert "only in part" not in answer.json()["cards"][0]["detail"]


@pytest.mark.parametrize("where", ["Medication/1", "/fhir/Medication/1", "/fhir/../Medication/1"])
def test_a_reference_to_elsewhere_is_not_read(tmp_path: Path, bird: Canary, where: str) -> None:
    """A Medication at the canary's address stays unread, and its drug is named as not known."""
    values = chart.values()
    order = values["medications"]["entry"][0]["resource"]
    del order["medicationCodeableConcept"]
    order["medicationReference"] = {"reference": f"{bird.origin}/{where.lstrip('/')}"}
    with peer(whole) as ehr, service(tmp_path, ehr.base) as client:
        assert call(client, ehr.base, prefetch=values).status_code == 200
    assert bird.connections == 0


def test_proxies_of_the_environment_are_ignored(tmp_path: Path, bird: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every proxy variable set to the canary, the EHR is still read directly."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, bird.origin)
        monkeypatch.setenv(name.lower(), bird.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    keys = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
    with peer(lambda path: Reply(body=keys) if "jwks" in path else whole(path)) as ehr:
        jwks = {"issuer": ehr.base, "jwks_url": f"{ehr.base}/jwks", "audiences": ("a",)}
        with service(tmp_path, ehr.base, **jwks) as client:
            body = chart.request(fhirServer=ehr.base, prefetch={})
            answer = client.post(PATH, json=body, headers={"Authorization": f"Bearer {caller(ehr.base)}"})
    assert answer.status_code == 200
    assert bird.connections == 0


def caller(issuer: str, **header: Any) -> str:
    """Return a hook token of the EHR."""
    at = int(chart.NOW.timestamp())
    claims = {"iss": issuer, "aud": "a", "iat": at, "exp": at + 300, "jti": "one"}
    return jwt.encode({"alg": "ES384", "kid": "k", **header}, claims, KEY, algorithms=["ES384"])


def test_a_jku_is_never_fetched(tmp_path: Path, bird: Canary) -> None:
    """A token whose jku or x5u is the canary's is refused without a connection to it."""
    with peer(whole) as ehr:
        jwks = {"issuer": ehr.base, "jwks_url": f"{ehr.base}/jwks", "audiences": ("a",)}
        with service(tmp_path, ehr.base, **jwks) as client:
            token = caller(ehr.base, jku=f"{bird.origin}/jwks", x5u=f"{bird.origin}/x5u")
            answer = client.post(PATH, json=chart.request(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert bird.connections == 0


@pytest.mark.parametrize("what", ["base", "keys"])
def test_a_name_that_leads_inside_gets_no_byte(
    tmp_path: Path, bird: Canary, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A configured https name that DNS answers with loopback is left before TLS begins, for FHIR and for keys."""
    there = socket.getaddrinfo

    def rebound(host: Any, *rest: Any, **more: Any) -> Any:
        return there("127.0.0.1" if host in ("ehr.north.example", b"ehr.north.example") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    base = f"https://ehr.north.example:{bird.port}/fhir"
    jwks = {"issuer": base, "jwks_url": f"{base}/jwks", "audiences": ("a",)}
    with service(tmp_path, base, **(jwks if what == "keys" else {})) as client:
        if what == "keys":
            token = {"Authorization": f"Bearer {caller(base)}"}
            answer = client.post(PATH, json=chart.request(), headers=token)
            assert (answer.status_code, code(answer)) == (503, "U-CDS-KEYS")
        else:
            assert code(call(client, base)) == "U-CDS-PREFETCH"
    assert bird.connections > 0
    assert bird.received == b""


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("ehr.example", "93.184.216.34", True),
        ("ehr.example", "10.1.2.3", True),
        ("ehr.example", "192.168.1.9", True),
        ("ehr.example", "2606:2800:220:1::1", True),
        ("ehr.example", "fd00::12", True),
        ("ehr.example", "64:ff9b::5db8:d822", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("ehr.example", "127.0.0.1", False),
        ("ehr.example", "127.8.8.8", False),
        ("ehr.example", "::1", False),
        ("ehr.example", "::ffff:127.0.0.1", False),
        ("ehr.example", "::127.0.0.1", False),
        ("ehr.example", "64:ff9b::7f00:1", False),
        ("ehr.example", "2002:7f00:1::1", False),
        ("ehr.example", "169.254.169.254", False),
        ("ehr.example", "::ffff:169.254.169.254", False),
        ("169.254.169.254", "169.254.169.254", False),
        ("ehr.example", "fe80::1%eth0", False),
        ("ehr.example", "0.0.0.0", False),
        ("ehr.example", "::", False),
        ("ehr.example", "224.0.0.1", False),
        ("ehr.example", "ff02::1", False),
        ("ehr.example", "240.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
        ("0x7f.1", "127.0.0.1", False),
        ("0", "0.0.0.0", False),
    ],
)
def test_where_a_name_may_lead(host: str, address: str, may: bool) -> None:
    """Public and private addresses may be an EHR's; loopback only where written as such, the rest never."""
    assert addresses.may_lead(host, address) is may


def _endless(chunk: bytes, wait_s: float = 0) -> Iterator[bytes]:
    while True:
        yield chunk
        time.sleep(wait_s)


@cache
def _bomb() -> Reply:
    return Reply(body=gzip.compress(b" " * 5_000_000), headers={"Content-Encoding": "gzip"})


HOSTILE: dict[str, Callable[[str], Reply]] = {
    "endless": lambda _: Reply(body=_endless(b" " * 65536)),
    "a byte at a time": lambda _: Reply(body=_endless(b" ", 0.05)),
    "a compressed bomb": lambda _: _bomb(),
    "no JSON": lambda _: Reply(body=b"<html>down</html>"),
    "a page of itself": lambda path: Reply(
        body=json.dumps(chart.bundle() | {"link": [{"relation": "next", "url": path}]}).encode()
    ),
}


ENDS: dict[str, str] = {
    "endless": "U-EHR-SIZE",
    "a byte at a time": "time is up",
    "a compressed bomb": "U-EHR-SIZE",
    "no JSON": "U-EHR-ANSWER",
    "a page of itself": "U-EHR-PAGES",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_ehr_costs_the_call_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Endless, dripping, compressed, foreign and circular answers end at their own bound, and the service goes on."""
    if name == "a byte at a time":
        monkeypatch.setattr(prefetch, "BUDGET_S", 0.5)
    monkeypatch.setattr(transport, "BYTE_CAP", 1_000_000)
    with peer(HOSTILE[name]) as ehr, service(tmp_path, ehr.base) as client:
        with structlog.testing.capture_logs() as logs:
            answer = call(client, ehr.base)
        assert (answer.status_code, code(answer)) == (412, "U-CDS-PREFETCH")
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert ENDS[name] in {line["reason"] for line in logs if line["event"] == "EHR not read"}
        assert client.get("/readyz").status_code == 200
