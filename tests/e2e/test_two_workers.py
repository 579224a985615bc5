"""Two worker processes over one store: one signature wins, and a call's token counts once for both."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict

from conformance.practitioner import FhirClient, Parameters, Refused, sign_in
from tests.e2e.house import CLIENT, REDIRECT, House, draft_ids, eventually, house

SIGNERS = 8
CALLS = "undersign_cds_calls_total"
T = TypeVar("T")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose service has two workers, each with counters of its own."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "metrics").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder / "metrics"))
        with house(folder, "--workers", "2") as found:
            yield found


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Do all of it at the same time, each in a thread."""
    start = Barrier(len(acts))

    def act(one: Callable[[], T]) -> T:
        start.wait()
        return one()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


def signing(home: House, client: FhirClient, draft: str) -> Callable[[], str]:
    """Prepare now; return what signs it and says ``signed``, or the code of the refusal."""
    prepared: Parameters = client.prepare(draft)

    def act() -> str:
        try:
            client.sign(draft, prepared)
        except Refused as refusal:
            return refusal.code
        return "signed"

    return act


@pytest.mark.parametrize("number", range(1, 6))
def test_one_of_eight_signers_over_two_workers_wins(home: House, number: int) -> None:
    """Eight signatures at once, by two prescribers: one is taken, seven are U-DRAFT-SIGNED, one order comes of it."""
    patient = f"jonas-weber-{number}"
    draft = draft_ids(home.open_chart(patient))[0]
    acts: list[Callable[[], str]] = []
    connections = [httpx.Client(timeout=30, trust_env=False) for _ in range(SIGNERS)]
    for place, connection in enumerate(connections):
        username = ("dr-lindqvist", "dr-mensah")[place % 2]
        token = sign_in(connection, home.stage.ehr_base, CLIENT, REDIRECT, username)
        acts.append(signing(home, FhirClient(connection, f"{home.stage.service}/fhir", token), draft))
    answers = at_once(acts)
    for connection in connections:
        connection.close()
    assert sorted(answers) == ["U-DRAFT-SIGNED"] * (SIGNERS - 1) + ["signed"]
    eventually(lambda: home.states()[draft] == "confirmed")
    orders = home.chart().search(f"MedicationRequest?patient={patient}&status=active")
    assert len([order for order in orders if order.get("basedOn")]) == 1


def test_a_token_that_one_worker_took_is_refused_by_the_other(home: House) -> None:
    """Of eight calls at once with one JWT one is answered, also when both workers were asked."""
    body = json.dumps(home.hook_request("jonas-weber")).encode()

    def both_were_asked() -> bool:
        token, before = home.cds_token(), calls(home)
        answers = at_once([lambda: home.call_hook(body, token).status_code] * 8)
        assert sorted(answers) == [200] + [401] * 7
        return sum(calls(home)[worker] > before[worker] for worker in calls(home)) == 2

    eventually(both_were_asked)


def calls(home: House) -> Counter[str]:
    """Return how many hook calls each worker has counted, by the file that it counts in."""
    files = (home.stage.folder / "metrics").glob("counter_*.db")
    found = {file.name: MmapedDict.read_all_values_from_file(str(file)) for file in files}
    return Counter({name: sum(int(row[1]) for row in rows if CALLS in row[0]) for name, rows in found.items()})
