"""The demo's parts: plain words, proofs, and programs that end before they are ready."""

import base64
import socket
import sys
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from conformance import plain_words as words
from conformance.children import Children, StartFailed, check_port, free_ports
from conformance.evidence import digest, signed_by
from conformance.stage import environment

PAYLOAD = b'{"dose":0.50}'


def _provenance(key: ECKey, payload: bytes) -> dict[str, Any]:
    header = {"alg": "ES384", "kid": key.kid, "b64": False, "crit": ["b64"]}
    whole = jws.serialize_compact(header, payload, key, registry=jws.JWSRegistry(algorithms=["ES384"]))
    detached = f"{whole.partition('.')[0]}..{whole.rpartition('.')[2]}"
    return {"signature": [{"data": base64.b64encode(detached.encode()).decode()}]}


@pytest.mark.parametrize(
    ("payload", "stranger", "holds"),
    [(PAYLOAD, False, True), (b'{"dose":0.5}', False, False), (PAYLOAD, True, False)],
    ids=["same-bytes", "other-bytes", "other-key"],
)
def test_a_signature_holds_for_its_bytes_and_a_published_key_only(payload: bytes, stranger: bool, holds: bool) -> None:
    """One changed byte or a key that is not published, and it does not hold."""
    key, other = (ECKey.generate_key("P-384", {"alg": "ES384"}, auto_kid=True) for _ in range(2))
    jwks = {"keys": [(other if stranger else key).as_dict(private=False)]}
    assert (signed_by(_provenance(key, PAYLOAD), payload, jwks) == key.kid) is holds


@pytest.mark.parametrize("provenance", [{}, {"signature": []}, {"signature": [{}]}, {"signature": [{"data": "?"}]}])
def test_a_provenance_without_a_readable_signature_proves_nothing(provenance: dict[str, Any]) -> None:
    """It is signed by nobody."""
    key = ECKey.generate_key("P-384", auto_kid=True)
    assert signed_by(provenance, PAYLOAD, {"keys": [key.as_dict(private=False)]}) is None


def test_the_digest_is_that_of_the_bytes() -> None:
    """SHA-256 of the empty string, in base64url without padding."""
    assert digest(b"") == "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def _every(frequency: int, period: int, unit: str) -> dict[str, Any]:
    return {"timing": {"repeat": {"frequency": frequency, "period": period, "periodUnit": unit}}}


DOSAGE: dict[str, Any] = {
    "text": "50 mg once a day",
    **_every(1, 1, "d"),
    "doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mg"}}],
}


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({}, ("dose as coded", "50 mg, once every day")),
        (_every(2, 1, "d"), ("dose as coded", "50 mg, 2 times every day")),
        (_every(1, 2, "wk"), ("dose as coded", "50 mg, once every 2 weeks")),
        ({"asNeededBoolean": True}, ("dose as coded", "50 mg, once every day, as needed")),
        ({"patientInstruction": "With food"}, ("to the patient", "With food")),
    ],
)
def test_an_order_is_told_in_plain_words(change: dict[str, Any], fact: tuple[str, str]) -> None:
    """Amount, rhythm and conditions of a dose appear as they are coded."""
    order = {
        "medicationCodeableConcept": {"text": "Sertraline"},
        "status": "active",
        "intent": "order",
        "requester": {"reference": "Practitioner/1"},
        "dosageInstruction": [DOSAGE | change],
    }
    facts = words.order_facts(order)
    assert fact in facts
    assert ("supply", "not stated in the order") in facts


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        ("1963-11-22", date(2026, 11, 22), 63),
        ("1963-11-23", date(2026, 11, 22), 62),
        ("2000-02-29", date(2026, 2, 28), 25),
    ],
)
def test_age_counts_whole_years(born: str, on: date, years: int) -> None:
    """The birthday itself makes the year full."""
    assert words.age({"birthDate": born}, on) == years


def test_a_program_that_ends_early_is_named_with_its_last_lines(tmp_path: Path) -> None:
    """Waiting ends at once, with the status and what the log says."""
    command = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]
    with Children() as children, httpx.Client(trust_env=False) as http:
        children.start("service", command, "http://127.0.0.1:9/readyz", tmp_path, environment())
        with pytest.raises(StartFailed, match=r"U-DEMO-ENDED.*status 3") as caught:
            children.wait(http)
    assert caught.value.last_lines == ("no such table",)


def test_a_port_that_is_taken_is_refused_before_anything_starts() -> None:
    """A free port passes; a port with a listener does not."""
    (port,) = free_ports(1)
    check_port(port)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(StartFailed, match="U-DEMO-PORT"),
    ):
        check_port(taken.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a held port be listened on")
def test_a_port_that_was_given_is_nobody_elses_and_can_be_listened_on() -> None:
    """Another socket cannot take it, before it is listened on and after; who was given it can, twice."""
    (port,) = free_ports(1)
    for _ in range(2):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        socket.create_server(("127.0.0.1", port)).close()
