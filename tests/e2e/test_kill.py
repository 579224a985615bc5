"""``kill -9`` at any moment: nothing that was acknowledged is lost, and an order is written once."""

import os
import random
import time
from collections.abc import Iterator

import pytest

from conformance.evidence import signed_by
from conformance.practitioner import Parameters, Refused
from tests.e2e.gated_ehr import COPIES
from tests.e2e.house import SIGNER, House, draft_ids, eventually, house

ROUNDS = int(os.environ.get("UNDERSIGN_CRASH_RUNS", "6"))
pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
WAITING = ("signed", "writing", "write-failed")
_fresh = iter(range(1, COPIES + 1))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for the file: a store that has seen many crashes is what has to stay whole."""
    with house(tmp_path_factory.mktemp("house")) as found:
        yield found


def shown(home: House) -> tuple[str, Parameters]:
    """Open a chart that nobody has opened before and prepare its first draft."""
    card = home.open_chart(f"jonas-weber-{next(_fresh)}")
    draft = draft_ids(card)[0]
    return draft, home.drafts().prepare(draft)


def written_once(home: House, draft: str, prepared: Parameters) -> None:
    """Wait for the draft's end, then ask the EHR for one order and one Provenance with our signature."""
    drafts = home.drafts()
    eventually(lambda: "confirmed" in events(home, draft))
    order, provenance = home.orders(prepared), home.provenances(prepared)
    assert (len(order), len(provenance)) == (1, 1)
    assert order[0]["requester"]["reference"] == f"Practitioner/{SIGNER}"
    jwks = home.http.get(f"{home.stage.service}/.well-known/jwks.json").json()
    assert signed_by(provenance[0], prepared.raw, jwks)
    with pytest.raises(Refused) as refusal:
        drafts.sign(draft, prepared)
    assert (refusal.value.status, refusal.value.code) == (409, "U-DRAFT-SIGNED")


def events(home: House, draft: str) -> list[str]:
    """Return what the draft's audit trail says that happened, oldest first."""
    trail = home.drafts().search(f"AuditEvent?entity=MedicationRequest/{draft}")
    return [event["subtype"][0]["code"] for event in trail]


def test_what_a_card_showed_is_there_after_a_kill(home: House) -> None:
    """Killed as soon as the card is answered, the service has every draft, offers the same, and signs one."""
    card = home.open_chart("amara-osei")
    home.kill_service()
    ids = draft_ids(card)
    assert len(ids) == 2
    home.start_service()
    assert {draft: home.drafts().read(f"MedicationRequest/{draft}")["status"] for draft in ids} == dict.fromkeys(
        ids, "draft"
    )
    assert draft_ids(home.open_chart("amara-osei")) == ids
    prepared = home.drafts().prepare(ids[1])
    home.drafts().sign(ids[1], prepared)
    written_once(home, ids[1], prepared)


BEFORE_ITS_TOKEN = "before POST /token Provenance"  # the one for writing: signing has asked for one that reads
CRASH_POINTS = [
    BEFORE_ITS_TOKEN,
    "before POST /fhir/MedicationRequest",
    "after POST /fhir/MedicationRequest",
    "before POST /fhir/Provenance",
    "after POST /fhir/Provenance",
]


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_kill_at_each_step_of_a_write_back_leaves_one_order(home: House, point: str) -> None:
    """Before and after the EHR does each step of it, a kill costs neither the order nor makes it two."""
    if point == BEFORE_ITS_TOKEN:
        home.kill_service()  # a token that is at hand is not asked for again
        home.start_service()
    draft, prepared = shown(home)
    with home.gate(point):
        home.drafts().sign(draft, prepared)
        home.at_gate()
        home.kill_service()
    home.start_service()
    written_once(home, draft, prepared)


def test_a_create_that_arrives_after_its_retry_makes_no_second_order(home: House) -> None:
    """The dead process's create, still on its way, and the next one's end in one order."""
    draft, prepared = shown(home)
    with home.gate("before POST /fhir/MedicationRequest"):
        home.drafts().sign(draft, prepared)
        home.at_gate()
        home.kill_service()
        home.start_service()
        home.at_gate()
    written_once(home, draft, prepared)


def test_a_signature_waits_out_an_ehr_that_hangs(home: House) -> None:
    """With the EHR stopped, the killed service comes up ready, keeps the signature, and writes it later."""
    draft, prepared = shown(home)
    with home.gate("before POST /fhir/MedicationRequest"):
        home.drafts().sign(draft, prepared)
        home.freeze_ehr()
        home.kill_service()
    home.start_service()
    assert home.states()[draft] in WAITING
    home.thaw_ehr()
    written_once(home, draft, prepared)


def test_a_signature_outlives_both_programs(home: House) -> None:
    """The service and the EHR are both killed; the EHR comes back with new keys and gets the order once."""
    draft, prepared = shown(home)
    with home.gate("before POST /fhir/MedicationRequest"):
        home.drafts().sign(draft, prepared)
        home.kill_ehr()
        home.kill_service()
    home.start_service()
    assert home.states()[draft] in WAITING
    home.start_ehr()
    written_once(home, draft, prepared)


def test_kills_at_random_times_leave_every_signed_order_once(home: House) -> None:
    """Two signatures and a kill within 60 ms, again and again: each order is in the EHR once and the chain is whole."""
    chance, signed = random.Random(20261122), list[tuple[str, Parameters]]()
    for _ in range(ROUNDS):
        both = [shown(home), shown(home)]
        for draft, prepared in both:
            home.drafts().sign(draft, prepared)
            signed.append((draft, prepared))
        time.sleep(chance.uniform(0.0, 0.06))
        home.kill_service()
        home.start_service()
    for draft, prepared in signed:
        written_once(home, draft, prepared)
    states = home.states()
    assert {states[draft] for draft, _ in signed} == {"confirmed"}
    status, printed = home.undersign("audit", "verify")
    assert (status, printed.startswith("whole: ")) == (0, True), printed
