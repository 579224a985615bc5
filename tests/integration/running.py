"""A running application over a fresh store, its clock set to the fixtures' day."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from service.app import create_app
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings
from tests.fixtures import prefetch

PATH = "/cds-services/psychotropic-options"
BASE = "http://127.0.0.1:8050/fhir"
ORIGIN = "https://ehr.north.example"


def settings(folder: Path, **more: Any) -> Settings:
    """Return settings of one development tenant whose EHR nobody answers for."""
    ehr = Ehr(
        id="north",
        name="North Hospital",
        fhir_base=BASE,
        origins=(ORIGIN,),
        cds_client=CdsClient(required=False),
    )
    return Settings(
        server=Server(development=True),
        store=StoreSettings(url=f"sqlite:///{folder}/undersign.db"),
        sign=Sign(key_file=folder / "key.json"),
        ehr=(more.pop("ehr", ehr),),
        **more,
    )


@contextmanager
def running(found: Settings) -> Generator[TestClient]:
    """Serve the application; its errors are answers, never exceptions in the test."""
    app = create_app(found)
    app.state.services = replace(app.state.services, clock=lambda: prefetch.NOW)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def held(client: TestClient) -> int:
    """Return how many drafts the store holds."""
    answer = client.get("/fhir/MedicationRequest", params={"status": "draft", "_summary": "count"})
    return int(answer.json()["total"])
