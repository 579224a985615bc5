"""What the hook reads from an EHR passes the same strict JSON as what came with the call."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fhir_adapters.dialect import profile
from service.cds import charts, discovery
from service.cds.envelope import HookCall
from service.ehr.line import Line
from service.errors import Precondition
from service.settings import Ehr

EHR = Ehr(id="north", name="North Hospital", fhir_base="https://north.example/fhir")
SENT = b'{"resourceType": "Bundle"}'


class _Client:
    """An EHR that gives the same bytes for everything."""

    ehr = EHR

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.line = Line(20)

    async def read(self, reference: str, token: str | None) -> bytes:
        return self._answer

    async def search(self, query: str, token: str | None, *, post: bool = False) -> list[bytes]:
        return [self._answer]


def _values(answer: bytes) -> Any:
    service = discovery.service("psychotropic-options")
    call = HookCall("h", "p1", "Practitioner/d", {"conditions": SENT}, EHR.fhir_base, None)
    held = SimpleNamespace(clients={EHR.id: _Client(answer)}, profiles={EHR.id: profile.load("us-core-r4")})
    services = cast("Any", held)
    return asyncio.run(charts.complete(call, service, EHR, services))


@pytest.mark.parametrize(
    "answer",
    [
        b'{"resourceType": "Patient", "id": "p1", "id": "p2"}',
        b'{"resourceType": "Patient", "id": NaN}',
        b'{"resourceType": "Patient", "id":',
        b'{"id": "p1"}',
        b"the EHR is down for maintenance",
        b"",
    ],
)
def test_a_fetched_value_that_is_no_strict_json_counts_as_not_read(answer: bytes) -> None:
    """An answer with a duplicate key, NaN, a missing end or no type is the EHR's fault: 412 that names the key."""
    with pytest.raises(Precondition, match=r"prefetch\.patient"):
        _values(answer)


def test_what_was_sent_stands_and_the_rest_is_fetched() -> None:
    """A key that came with the call keeps its bytes, and every other key has the EHR's."""
    answer = b'{"resourceType": "Patient"}'
    values = _values(answer)
    assert values.pop("conditions") == SENT
    assert set(values.values()) == {answer}
