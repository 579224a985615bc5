"""Links of a chain as AuditEvents by IHE BALP: each event against the rules of the profile that it claims."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from service.drafts.audit import seal
from service.drafts.flags import EVENTS as FLAG_EVENTS
from service.drafts.states import EVENTS
from service.fhir.audit_events import PROFILES, About, Interaction, audit_event

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BASE, PUBLIC = "https://ehr.example/fhir", "https://undersign.example"
PATIENT = f"{BASE}/Patient/p1"
# Profile → action, client's and server's type, user's type (IHE BALP 1.1.4, StructureDefinition-IHE.BasicAudit.*).
RULES = {
    "Create": ("C", "110153", "110152", "AUT"),
    "Read": ("R", "110152", "110153", "IRCP"),
    "Update": ("U", "110153", "110152", "AUT"),
}
# They claim no profile: BALP's are of what went well.
FAILED = {"write-failed", "parked", "mismatch"}
ACTORS = ("Practitioner/p1", "Device/undersign", "operator:night shift")


def event(name: str, actor: str = ACTORS[0], patient: str | None = PATIENT, **detail: Any) -> dict[str, Any]:
    """Return one link as AuditEvent."""
    about = About("MedicationRequest/d1", PUBLIC, BASE, "undersign", patient)
    return audit_event(seal(None, "d1", AT, name, actor, {"state": "held", **detail}), about)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("name", sorted({*EVENTS, *FLAG_EVENTS, "entered", "checkpoint"} - FAILED))
def test_every_event_keeps_the_rules_of_its_profile(name: str, actor: str) -> None:
    """One client, one server, each on a network; at most one user, who is none; one data entity and the patient."""
    found = event(name, actor)
    AuditEvent.model_validate(found)
    (profile,) = found["meta"]["profile"]
    kind = profile.removeprefix(f"{PROFILES}Patient")
    action, client, server, user = RULES[kind]
    interactions = [one for one in found["subtype"] if one["system"] == "http://hl7.org/fhir/restful-interaction"]
    assert [one["code"] for one in interactions] == [kind.lower()]
    assert kind.lower() in get_args(Interaction)
    assert (found["action"], found["outcome"], found["type"]["code"]) == (action, "0", "rest")
    by_type: dict[str, Any] = {one["type"]["coding"][0]["code"]: one for one in found["agent"]}
    assert len(by_type) == len(found["agent"])
    for end in (client, server):
        assert by_type[end]["who"]
        assert by_type[end]["network"]["type"] == "5"
        assert by_type[end]["requestor"] is False
    people = by_type.keys() - {client, server}
    assert people == (set() if actor == "Device/undersign" else {user})
    assert all(by_type[one]["requestor"] and "network" not in by_type[one] for one in people)
    assert [one["type"]["code"] for one in found["entity"]] == ["2", "1"]
    assert found["entity"][1]["what"]["reference"] == PATIENT


@pytest.mark.parametrize(("name", "outcome"), [("write-failed", "4"), ("parked", "8"), ("mismatch", "8")])
def test_a_write_back_that_failed_is_no_success(name: str, outcome: str) -> None:
    """Its outcome is a failure, minor where it is tried again, with the code, and it claims no profile."""
    found = event(name, "Device/undersign", given={"code": "U-EHR-REFUSED", "status": 400})
    AuditEvent.model_validate(found)
    assert (found["outcome"], found["outcomeDesc"]) == (outcome, "U-EHR-REFUSED")
    assert "meta" not in found


@pytest.mark.parametrize(
    ("given", "kind"),
    [({"page": "review"}, "Read"), ({"page": "review", "own": "watch"}, "Update"), ({"card": "c1"}, "Update")],
)
def test_a_person_who_opens_the_page_reads(given: dict[str, str], kind: str) -> None:
    """A draft that is presented on the page is read; on a card, or with what the person would do, it is changed."""
    assert event("presented", given=given)["meta"]["profile"] == [f"{PROFILES}Patient{kind}"]


def test_without_a_patient_the_profile_is_the_one_without() -> None:
    """What concerns no patient claims no patient's profile and has no patient."""
    found = event("entered", patient=None)
    assert found["meta"]["profile"] == [f"{PROFILES}Update"]
    assert len(found["entity"]) == 1


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ({"order": "MedicationRequest/e1", "version": "1"}, f"{BASE}/MedicationRequest/e1"),
        ({"provenance": "Provenance/e2"}, f"{BASE}/Provenance/e2"),
    ],
)
def test_what_is_made_at_the_ehr_is_a_create_there(step: dict[str, str], what: str) -> None:
    """The data is the EHR's resource, this service the client and the EHR the server."""
    found = event("written", "Device/undersign", step=step)
    assert found["meta"]["profile"] == [f"{PROFILES}PatientCreate"]
    assert found["entity"][0]["what"]["reference"] == what
    client, server = found["agent"]
    assert client["who"]["reference"] == "Device/undersign"
    assert server["network"]["address"] == BASE


def test_a_step_that_made_nothing_is_an_update_of_ours() -> None:
    """A progress without a resource of the EHR is about the draft."""
    found = event("progressed", "Device/undersign", step={"provenance": "unknown"})
    assert found["entity"][0]["what"]["reference"] == "MedicationRequest/d1"


def test_what_a_person_wrote_is_in_no_event() -> None:
    """Neither a reason nor anything else of the detail leaves the chain but how the user was authenticated."""
    given = {"reason": "secret-reason", "comment": "sha256-x", "assertion": {"method": "smart-bearer", "role": "R/1"}}
    found = event("overridden", given=given)
    assert "secret" not in str(found)
    details = {one["type"]: one["valueString"] for one in found["entity"][0]["detail"]}
    assert details.keys() == {"sha256", "previous-sha256", "authentication-method"}
