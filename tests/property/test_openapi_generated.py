"""Requests that schemathesis makes of the OpenAPI document, good and bad ones, against the running application.

Beside ``test_openapi``, which knows what a good call is, this one knows nothing but the document.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from service import openapi
from service.drafts.sqlite.store import SqliteStore
from service.settings import CdsClient, Ehr, Limits
from tests.integration import fake_ehr, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The same requests each time: a failure is of the change that brought it.
BOUNDED = settings(
    max_examples=160,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
MODES = {"as documented": GenerationMode.POSITIVE, "not as documented": GenerationMode.NEGATIVE}


@dataclass(frozen=True)
class Door:
    """An application, its operations as schemathesis reads them, and who asks."""

    client: TestClient
    operations: Sequence[Any]
    headers: dict[str, str]


@pytest.fixture(scope="module")
def anybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The whole service; hooks need no token, the rest is asked without one."""
    free = Ehr(
        id="north",
        name="North",
        fhir_base=running.BASE,
        cds_client=CdsClient(required=False),
        limits=Limits(calls_per_second=1e6, burst=1_000_000),
    )
    with running.running(running.settings(tmp_path_factory.mktemp("generated"), ehr=free)) as client:
        yield Door(client, operations(client.get("/openapi.json").json()), {})


@pytest.fixture(scope="module")
def practitioner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The FHIR routes, asked by a practitioner who may prescribe."""
    folder: Path = tmp_path_factory.mktemp("signed-in")
    ehr = fake_ehr.FakeEhr()
    ehr.prescriber("p1")
    store = SqliteStore(folder / "drafts.db")
    app = fake_ehr.application(fake_ehr.services_of(store, (fake_ehr.ehr_settings(), ehr)))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.portal is not None
        client.portal.call(store.open)
        yield Door(client, operations(openapi.document(app)), fake_ehr.bearer(None))
        client.portal.call(store.close)


def operations(document: Any) -> Sequence[Any]:
    """Return the operations of a document."""
    found = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert all(isinstance(one, Ok) for one in found)
    return [one.ok() for one in found if isinstance(one, Ok)]


def ask(door: Door, data: st.DataObject, mode: GenerationMode) -> None:
    """Make one request and compare the answer with what the document promises of the operation."""
    operation = data.draw(st.sampled_from(door.operations), label="operation")
    case = data.draw(operation.as_strategy(generation_mode=mode))
    sent = case.as_transport_kwargs(base_url="http://testserver", headers=door.headers)
    sent.pop("cookies", None)  # no operation reads one
    if "data" in sent:
        sent["content"] = sent.pop("data")
    answer = door.client.request(**{name: value for name, value in sent.items() if value is not None})
    if "U-PATH" in answer.text or "U-METHOD" in answer.text:  # values may spell another route
        return
    case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("mode", MODES)
@BOUNDED
@given(data=st.data())
def test_anybody_gets_documented_answers(anybody: Door, mode: str, data: st.DataObject) -> None:
    """No generated request of a stranger or a development EHR gets a 5xx or an undocumented answer."""
    ask(anybody, data, MODES[mode])


@pytest.mark.parametrize("mode", MODES)
@BOUNDED
@given(data=st.data())
def test_a_practitioner_gets_documented_answers(practitioner: Door, mode: str, data: st.DataObject) -> None:
    """Nor does one of somebody who is signed in."""
    ask(practitioner, data, MODES[mode])
