"""``kill -9`` right after an answer: who got it is on record."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.house import SIGNER, House, draft_ids, house

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
ROUNDS, READS = 3, 5


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return the service and its EHR as processes."""
    with house(tmp_path_factory.mktemp("house")) as found:
        yield found


def test_every_answer_before_a_kill_has_its_entry(home: House) -> None:
    """Of reads that were answered before the service was killed none is missing in the patient's trail, each once."""
    draft = draft_ids(home.open_chart("amara-osei"))[0]
    for _ in range(ROUNDS):
        for _ in range(READS):
            home.drafts().read(f"MedicationRequest/{draft}")
        home.kill_service()
        home.start_service()
    trail = home.drafts().search("AuditEvent?patient=amara-osei")
    read = [one for one in trail if one["subtype"][0]["code"] == "read"]
    who = Counter(one["agent"][0]["who"]["reference"].rpartition("/")[2] for one in read)
    assert who == {SIGNER: ROUNDS * READS}
