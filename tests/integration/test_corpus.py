"""The adapters over real public files: each adapts or is refused by a code, and nothing else happens."""

import json
import os
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.errors import InputError

CORPUS = Path(os.environ.get("UNDERSIGN_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
FOLDERS = ("synthea-r4", "us-core-examples", "us-behavioral-health", "ecqm-mental-health")
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set UNDERSIGN_CORPUS to its folder")
AS_OF = date(2026, 11, 22)


def outcomes(folder: str) -> dict[str, int]:
    """Count the files of a folder by outcome: adapted, or the error's code."""
    counts: dict[str, int] = defaultdict(int)
    for path in sorted((CORPUS / folder).rglob("*.json")):
        try:
            adapt(path.read_bytes(), AS_OF)
            counts["adapted"] += 1
        except InputError as error:
            counts[error.code] += 1
    return counts


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_adapts_or_is_refused_by_code(folder: str) -> None:
    """No file raises anything but an InputError, and files without a Patient are refused as that."""
    counts = outcomes(folder)
    assert counts["adapted"] > 0
    assert set(counts) <= {"adapted", "U-FHIR-NO-PATIENT", "U-PATIENT-MISMATCH", "U-FHIR-TYPE"}


def test_every_synthea_patient_adapts() -> None:
    """All Bundles of synthea-r4 give a patient."""
    assert set(outcomes("synthea-r4")) == {"adapted"}


def of_patient(folder: str, patient_id: str, as_of: date) -> Adapted:
    """Adapt all files of a folder as the chart of one patient."""
    resources = [json.loads(path.read_bytes()) for path in sorted((CORPUS / folder).rglob("*.json"))]
    chart = [
        one for one in resources if one["resourceType"] not in ("Patient", "Bundle") or one.get("id") == patient_id
    ]
    return adapt(json.dumps(chart).encode(), as_of)


def test_the_published_behavioural_health_patient_reads_as_published() -> None:
    """PHQ-9 is 12 with item 9 at zero, every drug is resolved, no consent speaks of AI."""
    found = of_patient("us-behavioral-health", "bh-patient-example", date(2024, 3, 1))
    assert found.features.number("phq9_total") == 12
    assert found.features.number("phq9_item9") == 0
    drugs = {name for course in found.patient.medications for name in course.ingredients}
    assert drugs == {"bupropion", "lorazepam", "metformin", "paroxetine", "saxagliptin"}
    assert {one.unresolved for one in found.patient.medications} == {None}
    assert [one.decision for one in found.patient.consents] == ["not-about-ai"]


def test_the_published_screening_reads_alike_from_both_its_shapes() -> None:
    """The US Core PHQ-9 is 12 as text and in the QuestionnaireResponse, without a conflict."""
    found = of_patient("us-core-examples", "example", date(2023, 1, 1))
    totals = {one.value for one in found.patient.scales if (one.scale, one.part) == ("phq9", "total")}
    assert totals == {12}
    assert found.features.features["phq9_total"].status == "present"
