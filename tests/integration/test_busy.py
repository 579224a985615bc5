"""Too much at once, over HTTP: who is put off is told so, and when to come again."""

from pathlib import Path
from typing import Any

import pytest

from service.ehr import prefetch
from service.ehr.line import Line
from service.ehr.transport import AT_ONCE
from service.settings import CdsClient, Ehr, Limits
from tests.fixtures import prefetch as chart
from tests.integration.running import BASE, PATH, running, settings

ITEM = {"card": "nobody's", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"}


def code(answer: Any) -> str:
    """Return the stable code of an error answer."""
    return answer.json()["issue"][0]["details"]["coding"][0]["code"]


def test_a_call_that_has_to_be_read_while_others_are_is_busy_and_not_without_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the EHR taken up by others a call is 503 with Retry-After, and one that brings its data is answered."""
    monkeypatch.setattr(prefetch, "BUDGET_S", 0.02)
    with running(settings(tmp_path)) as client:
        line: Line = client.app.state.services.clients["north"].line  # type: ignore[attr-defined]
        assert client.portal is not None
        client.portal.call(line.enter, AT_ONCE, 60)
        answer = client.post(PATH, json=chart.request(prefetch={}, fhirServer=BASE))
        assert (answer.status_code, code(answer)) == (503, "U-EHR-QUEUE")
        assert int(answer.headers["retry-after"]) > 0
        values = chart.values() | dict.fromkeys(("genes", "daily", "procedures", "family_history"))
        assert client.post(PATH, json=chart.request(prefetch=values, fhirServer=BASE)).status_code == 200


def test_feedback_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """Feedback beyond the limit is 429 with Retry-After; it takes nothing from the hooks, and they nothing of it."""
    few = Limits(calls_per_second=0.001, burst=1)
    tenant = Ehr(id="north", name="North", fhir_base=BASE, cds_client=CdsClient(required=False), limits=few)
    with running(settings(tmp_path, ehr=tenant)) as client:
        assert client.post(f"{PATH}/feedback", json={"feedback": [ITEM]}).status_code == 404
        answer = client.post(f"{PATH}/feedback", json={"feedback": [ITEM]})
        assert (answer.status_code, code(answer), answer.headers["retry-after"]) == (429, "U-EHR-RATE", "1")
        assert client.post(PATH, json=chart.request()).status_code == 200
        assert client.post(PATH, json=chart.request()).status_code == 429
