"""The Questionnaire on preferences as an EHR's portal fetches it."""

from pathlib import Path

from fhir.resources.R4B.questionnaire import Questionnaire

from fhir_adapters.rating import preferences
from tests.integration.running import running, settings


def test_the_questionnaire_is_served_to_all_and_valid(tmp_path: Path) -> None:
    """Without a token it is answered as FHIR JSON that R4 accepts, under the name by which answers are told."""
    with running(settings(tmp_path)) as client:
        answer = client.get("/fhir/Questionnaire/undersign-preferences")
        kinds = {one["type"] for one in client.get("/fhir/metadata").json()["rest"][0]["resource"]}
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    assert Questionnaire.model_validate(answer.json()).id == preferences.NAME
    assert "Questionnaire" in kinds
