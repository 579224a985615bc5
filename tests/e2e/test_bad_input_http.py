"""Bad input against the running service: a stable code in an OperationOutcome, nothing changed, nothing lost."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from conformance.practitioner import Json, Parameters
from tests.e2e.house import SERVICE, House, draft_ids, house

PATIENT, SIGNED, COPY = "jonas-weber", "amara-osei", "jonas-weber-1"


@dataclass(frozen=True)
class Scene:
    """A running house that holds ``drafts`` of one patient and has signed one of another."""

    home: House
    request: Json
    drafts: list[str]
    prepared: Parameters
    signed: str
    order: Parameters

    def body(self, **changes: Any) -> bytes:
        """Return the good request with members replaced, or left out where None."""
        whole = self.request | changes
        return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()

    def prefetch(self, **changes: Any) -> bytes:
        """Return the good request with prefetch values replaced, or left out where None."""
        values = self.request["prefetch"] | changes
        return self.body(prefetch={key: value for key, value in values.items() if value is not None})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One house for the table: each row leaves it as it was."""
    with house(tmp_path_factory.mktemp("house")) as home:
        signed = draft_ids(home.open_chart(SIGNED))[0]
        order = home.drafts().prepare(signed)
        home.drafts().sign(signed, order)
        drafts = draft_ids(home.open_chart(PATIENT))
        request, prepared = home.hook_request(PATIENT), home.drafts().prepare(drafts[0])
        assert home.call_hook(json.dumps(request).encode()).status_code == 200
        yield Scene(home, request, drafts, prepared, signed, order)


def refused(scene: Scene, act: Callable[[], httpx.Response], status: int, code: str) -> str:
    """Do what is to be refused; check the answer, and that the service is as before; return the words."""
    before = scene.home.held()
    answer = act()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+json"), answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert issue["severity"] == "error"
    assert [coding["code"] for coding in issue["details"]["coding"]] == [code], issue
    assert scene.home.held() == before >= len(scene.drafts)
    assert scene.home.ready()
    return str(issue["details"]["text"])


def _observation(scene: Scene) -> Json:
    return scene.request["prefetch"]["scores"]["entry"][0]["resource"]


def _with_entry(scene: Scene, key: str, resource: Json) -> bytes:
    bundle = scene.request["prefetch"][key]
    return scene.prefetch(**{key: bundle | {"entry": [*bundle.get("entry", []), {"resource": resource}]}})


def _other_patient(scene: Scene) -> Json:
    return scene.request["prefetch"]["patient"] | {"id": "somebody-else"}


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


HOOK: list[tuple[str, Callable[[Scene], bytes], int, str]] = [
    ("nothing at all", lambda s: b"", 400, "U-JSON-SYNTAX"),
    ("the last byte missing", lambda s: s.body()[:-1], 400, "U-JSON-SYNTAX"),
    ("half of it", lambda s: s.body()[: len(s.body()) // 2], 400, "U-JSON-SYNTAX"),
    ("not JSON", lambda s: b"<Patient/>", 400, "U-JSON-SYNTAX"),
    ("not UTF-8", lambda s: s.body().decode().encode("utf-16"), 400, "U-JSON-ENCODING"),
    ("a key twice", lambda s: s.body()[:-1] + b',"hook":"patient-view"}', 400, "U-JSON-DUPLICATE-KEY"),
    ("NaN", lambda s: s.body()[:-1] + b',"x":NaN}', 400, "U-JSON-NUMBER"),
    ("Infinity", lambda s: s.body()[:-1] + b',"x":-Infinity}', 400, "U-JSON-NUMBER"),
    ("65 levels", lambda s: s.body()[:-1] + b',"x":' + _nested(64) + b"}", 400, "U-JSON-DEPTH"),
    ("a million levels", lambda s: _nested(500_000), 400, "U-JSON-DEPTH"),
    ("2 MB and a byte", lambda s: s.body() + b" " * (2_000_001 - len(s.body())), 413, "U-BODY-SIZE"),
    ("20 MB", lambda s: s.body() + b" " * 20_000_000, 413, "U-BODY-SIZE"),
    ("a list", lambda s: b"[]", 400, "U-CDS-REQUEST"),
    ("another hook", lambda s: s.body(hook="order-sign"), 400, "U-CDS-HOOK"),
    ("no context", lambda s: s.body(context=None), 400, "U-CDS-CONTEXT"),
    ("a patient as user", lambda s: s.body(context={"patientId": PATIENT, "userId": "Patient/x"}), 403, "U-CDS-USER"),
    ("an Observation as Patient", lambda s: s.prefetch(patient=_observation(s)), 400, "U-FHIR-TYPE"),
    ("a Bundle as Patient", lambda s: s.prefetch(patient=s.request["prefetch"]["scores"]), 400, "U-FHIR-NO-PATIENT"),
    ("a number as list", lambda s: s.prefetch(conditions=7), 400, "U-FHIR-TYPE"),
    ("no FHIR type", lambda s: s.prefetch(conditions={"resourceType": "Nonsense"}), 400, "U-FHIR-TYPE"),
    ("another Patient", lambda s: s.prefetch(patient=_other_patient(s)), 400, "U-PATIENT-MISMATCH"),
    ("a second Patient", lambda s: _with_entry(s, "conditions", _other_patient(s)), 400, "U-PATIENT-MISMATCH"),
    (
        "a resource of another patient",
        lambda s: _with_entry(s, "scores", _observation(s) | {"subject": {"reference": "Patient/x"}}),
        400,
        "U-PATIENT-MISMATCH",
    ),
    ("no prefetch", lambda s: s.body(prefetch=None), 412, "U-CDS-PREFETCH"),
    ("a key missing", lambda s: s.prefetch(scores=None), 412, "U-CDS-PREFETCH"),
    ("a failed search", lambda s: s.prefetch(medications={"resourceType": "OperationOutcome"}), 412, "U-CDS-PREFETCH"),
    ("a stranger's fhirServer", lambda s: s.body(fhirServer="http://10.0.0.1/fhir"), 403, "U-EHR-FHIRSERVER"),
]


@pytest.mark.parametrize(("spoil", "status", "code"), [row[1:] for row in HOOK], ids=[row[0] for row in HOOK])
def test_a_spoilt_hook_call_is_refused_by_name(
    scene: Scene, spoil: Callable[[Scene], bytes], status: int, code: str
) -> None:
    """Each way to spoil a hook call has its code, and the drafts held stay as they are."""
    text = refused(scene, lambda: scene.home.call_hook(spoil(scene)), status, code)
    assert PATIENT not in text


def test_412_names_the_key_and_the_search_that_would_fill_it(scene: Scene) -> None:
    """Without conditions and without fhirServer the answer says what to send, by key, template and search."""
    body = scene.prefetch(conditions=None)
    text = refused(scene, lambda: scene.home.call_hook(body), 412, "U-CDS-PREFETCH")
    for words in ("prefetch.conditions", "{{context.patientId}}", "GET [fhirServer]/Condition?patient="):
        assert words in text


CALLERS: list[tuple[str, Callable[[House], str], str, int, str]] = [
    ("an unknown service", lambda h: h.cds_token("other"), "other", 404, "U-CDS-SERVICE"),
    ("no JWT", lambda h: "hello", SERVICE, 401, "U-AUTH"),
    ("a user's token", lambda h: h.token(), SERVICE, 401, "U-AUTH"),
    ("a token for another service", lambda h: h.cds_token("other"), SERVICE, 401, "U-AUTH"),
    ("a changed token", lambda h: h.cds_token()[:-6] + "AAAAAA", SERVICE, 401, "U-AUTH"),
]


@pytest.mark.parametrize(
    ("token", "service", "status", "code"), [row[1:] for row in CALLERS], ids=[row[0] for row in CALLERS]
)
def test_a_wrong_caller_or_service_is_refused_by_name(
    scene: Scene, token: Callable[[House], str], service: str, status: int, code: str
) -> None:
    """A token that does not count is 401 without a reason; a service that does not exist is 404."""
    refused(scene, lambda: scene.home.call_hook(scene.body(), token(scene.home), service), status, code)


def post(scene: Scene, draft: str, operation: str, body: bytes | Json, username: str | None = None) -> httpx.Response:
    """Post to an operation of a draft, as the signer unless another user is named."""
    token = scene.home.token(username) if username else scene.home.token()
    return scene.home.http.post(
        f"{scene.home.stage.service}/fhir/MedicationRequest/{draft}/${operation}",
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
    )


def parameters(prepared: Parameters, **changes: Any) -> Json:
    """Return what ``$sign`` takes for these prepared bytes, with values replaced or, where None, left out."""
    values = {"version": prepared.version, "digest": prepared.digest} | changes
    kinds = {"version": "valueInteger", "digest": "valueString", "acknowledgement": "valueString"}
    named = [{"name": n, kinds.get(n, "valueString"): v} for n, v in values.items() if v is not None]
    if "acknowledgement" not in changes:
        named += [{"name": "acknowledgement", "valueString": text} for text in prepared.acknowledgements]
    return {"resourceType": "Parameters", "parameter": named}


def _order(scene: Scene, **changes: Any) -> Json:
    resource = scene.home.drafts().read(f"MedicationRequest/{scene.drafts[0]}") | changes
    return {"resourceType": "Parameters", "parameter": [{"name": "order", "resource": resource}]}


def _fifty(scene: Scene) -> Json:
    dosage = scene.home.drafts().read(f"MedicationRequest/{scene.drafts[0]}")["dosageInstruction"]
    dosage[0]["doseAndRate"][0]["doseQuantity"]["value"] *= 50
    return _order(scene, dosageInstruction=dosage)


OTHER = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
SIGN: list[tuple[str, str, Callable[[Scene], bytes | Json], str | None, int, str]] = [
    ("truncated", "sign", lambda s: b'{"resourceType":"Parameters"', None, 400, "U-JSON-SYNTAX"),
    (
        "a key twice",
        "sign",
        lambda s: b'{"resourceType":"Parameters","resourceType":"P"}',
        None,
        400,
        "U-JSON-DUPLICATE-KEY",
    ),
    ("NaN", "sign", lambda s: b'{"resourceType":"Parameters","x":NaN}', None, 400, "U-JSON-NUMBER"),
    ("too deep", "sign", lambda s: _nested(65), None, 400, "U-JSON-DEPTH"),
    ("2 MB", "sign", lambda s: b" " * 2_000_001, None, 413, "U-BODY-SIZE"),
    ("no Parameters", "sign", lambda s: {"resourceType": "Patient"}, None, 400, "U-FHIR-PARAMETERS"),
    ("no digest", "sign", lambda s: parameters(s.prepared, digest=None), None, 400, "U-FHIR-PARAMETERS"),
    ("a digest as number", "sign", lambda s: parameters(s.prepared, digest=7), None, 400, "U-FHIR-PARAMETERS"),
    ("a parameter nobody knows", "sign", lambda s: parameters(s.prepared, force="x"), None, 400, "U-FHIR-PARAMETERS"),
    ("a wrong digest", "sign", lambda s: parameters(s.prepared, digest=f"sha256-{OTHER}"), None, 409, "U-DIGEST"),
    ("another draft's digest", "sign", lambda s: parameters(s.order), None, 409, "U-DIGEST"),
    ("a stale version", "sign", lambda s: parameters(s.prepared, version=0), None, 409, "U-DRAFT-VERSION"),
    ("a later version", "sign", lambda s: parameters(s.prepared, version=2), None, 409, "U-DRAFT-VERSION"),
    ("not acknowledged", "sign", lambda s: parameters(s.prepared, acknowledgement="x"), None, 422, "U-ACKNOWLEDGE"),
    ("shown to another", "sign", lambda s: parameters(s.prepared), "dr-mensah", 409, "U-DIGEST"),
    ("an unknown practitioner", "prepare", lambda s: b"", "dr-nobody", 403, "U-SIGNER-UNKNOWN"),
    ("an inactive practitioner", "prepare", lambda s: b"", "dr-aalto", 403, "U-SIGNER-INACTIVE"),
    ("a role that has ended", "prepare", lambda s: b"", "dr-costa", 403, "U-SIGNER-ROLE"),
    ("a nurse", "prepare", lambda s: b"", "nurse-ortiz", 403, "U-SIGNER-ROLE"),
    ("fifty times the dose", "prepare", _fifty, None, 422, "U-ORDER-DOSE-CEILING"),
    (
        "for another patient",
        "prepare",
        lambda s: _order(s, subject={"reference": "Patient/x"}),
        None,
        422,
        "U-ORDER-FIELD",
    ),
    (
        "a version that is gone",
        "reject",
        lambda s: parameters(s.prepared, version=9, digest=None, acknowledgement=None),
        None,
        409,
        "U-DRAFT-VERSION",
    ),
]


@pytest.mark.parametrize(
    ("operation", "body", "username", "status", "code"), [row[1:] for row in SIGN], ids=[row[0] for row in SIGN]
)
def test_a_spoilt_decision_is_refused_by_name(
    scene: Scene,
    operation: str,
    body: Callable[[Scene], bytes | Json],
    username: str | None,
    status: int,
    code: str,
) -> None:
    """Each way to spoil a decision on a draft has its code, and the draft is held as it was."""
    draft = scene.drafts[0]
    refused(scene, lambda: post(scene, draft, operation, body(scene), username), status, code)
    assert scene.home.drafts().read(f"MedicationRequest/{draft}")["meta"]["versionId"] == "1"


def test_bytes_that_were_shown_before_an_edit_are_stale(scene: Scene) -> None:
    """Once a draft was edited, what was shown of its first version is 409 and the edit stays."""
    drafts, draft = scene.home.drafts(), scene.drafts[1]
    first = drafts.prepare(draft)
    note = {"text": "Seen today; call in two weeks."}
    second = drafts.prepare(draft, drafts.read(f"MedicationRequest/{draft}") | {"note": [note]})
    assert (first.version, second.version) == (1, 2)
    assert first.digest != second.digest
    for version in (1, 2):
        body = parameters(first, version=version)
        refused(scene, lambda body=body: post(scene, draft, "sign", body), 409, "U-DIGEST")
    assert drafts.read(f"MedicationRequest/{draft}")["meta"]["versionId"] == "2"


@pytest.mark.parametrize("operation", ["prepare", "sign", "reject"])
def test_a_signed_draft_takes_no_second_decision(scene: Scene, operation: str) -> None:
    """Prepared, signed or rejected again, it answers 409 U-DRAFT-SIGNED and stays completed."""
    body = parameters(scene.order) if operation == "sign" else b""
    refused(scene, lambda: post(scene, scene.signed, operation, body), 409, "U-DRAFT-SIGNED")
    assert scene.home.drafts().read(f"MedicationRequest/{scene.signed}")["status"] == "completed"


@pytest.mark.parametrize("token", ["", "hello", "a.b.c"])
def test_nobody_decides_without_a_token_of_the_ehr(scene: Scene, token: str) -> None:
    """Without a user token that counts a decision is 401."""
    url = f"{scene.home.stage.service}/fhir/MedicationRequest/{scene.drafts[0]}/$sign"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    refused(scene, lambda: scene.home.http.post(url, headers=headers), 401, "U-AUTH")


def test_after_all_of_it_the_draft_can_be_signed_and_the_chain_is_whole(scene: Scene) -> None:
    """What was refused left nothing behind: the same prepared bytes are signed, and the audit finds no fault."""
    drafts = draft_ids(scene.home.open_chart(COPY))
    own = replace(scene, drafts=drafts, prepared=scene.home.drafts().prepare(drafts[0]))
    for what, operation, body, username, status, _ in SIGN:
        assert post(own, drafts[0], operation, body(own), username).status_code == status, what
    assert post(own, drafts[0], "sign", parameters(own.prepared)).status_code == 200
    status, printed = scene.home.undersign("audit", "verify")
    assert (status, printed.startswith("whole: ")) == (0, True), printed
