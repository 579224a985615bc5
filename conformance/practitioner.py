"""A practitioner at work over HTTP: signs in at an EHR, reads its record, and decides on held drafts."""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx

from fhir_adapters.errors import UndersignError

Json = dict[str, Any]
SCOPE = "openid fhirUser user/*.rs"


class NotGranted(UndersignError):
    """The EHR did not sign the user in."""


class Refused(UndersignError):
    """A server's refusal: its stable code and its own words, with the HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Parameters:
    """What ``$prepare`` answered: the exact bytes, and what a signature over them has to name."""

    version: int
    digest: str
    raw: bytes
    acknowledgements: tuple[str, ...]
    order: Json


def sign_in(http: httpx.Client, fhir_base: str, client_id: str, redirect_uri: str, username: str) -> str:
    """Return an access token by authorisation code with PKCE S256 (SMART App Launch 2); NotGranted.

    Both ends are found by discovery, and the state has to come back as it was sent.
    """
    found = http.get(f"{fhir_base}/.well-known/smart-configuration").json()
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    question = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": state,
        "nonce": secrets.token_urlsafe(24),
        "aud": fhir_base,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "login_hint": username,
    }
    answer = http.get(found["authorization_endpoint"], params=question)
    back = parse_qs(httpx.URL(answer.headers.get("location", "")).query.decode())
    if back.get("state") != [state] or "code" not in back:
        raise NotGranted("U-DEMO-LOGIN", f"The EHR answered {answer.status_code} and no code.")
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "code": back["code"][0],
        "code_verifier": verifier,
    }
    granted = http.post(found["token_endpoint"], data=form)
    if granted.status_code != 200:
        raise NotGranted("U-DEMO-LOGIN", f"The EHR answered {granted.status_code} and no token.")
    return granted.json()["access_token"]


class FhirClient:
    """One FHIR server as one signed-in user (or as nobody)."""

    def __init__(self, http: httpx.Client, base: str, token: str | None = None) -> None:
        self._http, self.base = http, base
        self._headers = {"Accept": "application/fhir+json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def read(self, path: str) -> Json:
        """Return a resource or search Bundle; Refused when the server says no."""
        return _answer(self._http.get(f"{self.base}/{path}", headers=self._headers))

    def search(self, query: str) -> list[Json]:
        """Return the matches of a search that fits on one page."""
        entries = self.read(query).get("entry", [])
        return [e["resource"] for e in entries if e.get("search", {}).get("mode", "match") == "match"]

    def prepare(self, draft: str, order: Json | None = None) -> Parameters:
        """Return the exact bytes to sign, of the draft or of it as edited, with what must be acknowledged."""
        edit = [] if order is None else [{"name": "order", "resource": order}]
        given = self._operation(draft, "$prepare", edit)["parameter"]
        texts = [p["valueString"] for p in given if p["name"] == "acknowledgement"]
        named = {p["name"]: p for p in given}
        return Parameters(
            named["version"]["valueInteger"],
            named["digest"]["valueString"],
            base64.b64decode(named["bytes"]["valueBase64Binary"], validate=True),
            tuple(texts),
            named["order"]["resource"],
        )

    def sign(self, draft: str, prepared: Parameters) -> Json:
        """Sign what was prepared, acknowledging all that was asked; returns the Bundle of both."""
        parameters: list[Mapping[str, Any]] = [
            {"name": "version", "valueInteger": prepared.version},
            {"name": "digest", "valueString": prepared.digest},
            *({"name": "acknowledgement", "valueString": text} for text in prepared.acknowledgements),
        ]
        return self._operation(draft, "$sign", parameters)

    def reject(self, draft: str, reason: str, comment: str | None = None) -> Json:
        """Reject a draft, with a coded reason and perhaps a comment; returns it as it stands."""
        parameters: list[Mapping[str, Any]] = [{"name": "reason", "valueCode": reason}]
        if comment is not None:
            parameters.append({"name": "comment", "valueString": comment})
        return self._operation(draft, "$reject", parameters)

    def _operation(self, draft: str, name: str, parameters: Sequence[Mapping[str, Any]]) -> Json:
        body = {"resourceType": "Parameters", **({"parameter": parameters} if parameters else {})}
        headers = {**self._headers, "Content-Type": "application/fhir+json"}
        return _answer(self._http.post(f"{self.base}/MedicationRequest/{draft}/{name}", json=body, headers=headers))


def _answer(response: httpx.Response) -> Json:
    if response.is_success:
        return response.json()
    code, message = f"HTTP-{response.status_code}", "No reason was given."
    try:
        details: Json = response.json()["issue"][0]["details"]
        code, message = details["coding"][0]["code"], details["text"]
    except (ValueError, LookupError, TypeError):
        pass  # not an OperationOutcome: the status is all there is to say
    raise Refused(response.status_code, code, message)
