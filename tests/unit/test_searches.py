"""How a prefetch template is asked for at each EHR: the table of profiles and the searches that they make."""

from pathlib import Path

import pytest

from fhir_adapters.dialect import profile
from fhir_adapters.survey.searches import Request, request
from fhir_adapters.survey.wanted import Template, templates

OF = "patient={{context.patientId}}"
PATIENT = Template("patient", "Patient/{{context.patientId}}", required=True, holds="x")
REQUESTS = Template("medications", f"MedicationRequest?{OF}&_count=200", required=True, holds="x")
STATEMENTS = Template("statements", f"MedicationStatement?{OF}&_count=200", required=False, holds="x")
SCORES = Template("scores", f"Observation?{OF}&code=http://loinc.org|1-8&_sort=-date&_count=100", True, "x")
CONSENTS = Template("consents", f"Consent?{OF}&_count=50", required=False, holds="x")
CODED = "code=http://loinc.org|1-8"

# (profile, template) → what is asked, None where nothing is
SHIPPED = {
    ("base-r4", PATIENT): Request("Patient/p1"),
    ("base-r4", REQUESTS): Request("MedicationRequest?patient=p1&_count=200"),
    ("base-r4", SCORES): Request(f"Observation?patient=p1&{CODED}&_sort=-date&_count=100"),
    ("base-dstu2", REQUESTS): Request("MedicationOrder?patient=p1&_count=200"),
    ("base-dstu2", SCORES): Request(f"Observation?patient=p1&{CODED}&_count=100&_sort:desc=date"),
    ("base-dstu2", CONSENTS): None,
    ("base-stu3", CONSENTS): Request("Consent?patient=p1&_count=50"),
    ("epic-r4", STATEMENTS): None,
    ("epic-r4", SCORES): Request(f"Observation?patient=p1&{CODED}&_sort=-date&_count=100", post=True),
    ("oracle-r4", REQUESTS): Request("MedicationRequest?patient=p1&_count=200&intent=order,plan"),
    ("oracle-r4", SCORES): Request(f"Observation?patient=p1&{CODED}&_count=100"),
    ("oracle-r4", CONSENTS): Request("Consent?patient=p1"),
    ("athenahealth-r4", REQUESTS): Request("MedicationRequest?patient=p1&_count=200&intent=order,plan"),
    ("athenahealth-r4", SCORES): Request(f"Observation?patient=p1&{CODED}&_sort=-date&_count=50"),
    ("openemr-r4", SCORES): Request(f"Observation?patient=p1&{CODED}"),
}

# a site's own [search.…] → what is asked for REQUESTS
OWN = {
    '[search.any]\npatient = "reference"': "MedicationRequest?patient=Patient/p1&_count=200",
    "[search.MedicationRequest]\ncount = 20": "MedicationRequest?patient=p1&_count=20",
    "[search.MedicationRequest]\nmax_count = 100": "MedicationRequest?patient=p1&_count=100",
    "[search.MedicationRequest]\nmax_count = 500": "MedicationRequest?patient=p1&_count=200",
    "[search.MedicationRequest]\ncount = 300\nmax_count = 100": "MedicationRequest?patient=p1&_count=100",
    "[search.MedicationRequest]\ninclude = true": (
        "MedicationRequest?patient=p1&_count=200&_include=MedicationRequest:medication"
    ),
    '[search.MedicationRequest]\nparameters = {status = "active,stopped"}': (
        "MedicationRequest?patient=p1&_count=200&status=active,stopped"
    ),
    '[search.MedicationRequest]\nomit = ["_count"]\nmax_count = 5': "MedicationRequest?patient=p1",
}


@pytest.mark.parametrize(("name", "template"), SHIPPED, ids=lambda one: getattr(one, "key", one))
def test_shipped_profiles(name: str, template: Template) -> None:
    """Each shipped profile asks for a template in the way that its EHR answers."""
    assert request(template, "p1", profile.load(name)) == SHIPPED[name, template]


@pytest.mark.parametrize("text", OWN)
def test_a_sites_own_search(text: str, tmp_path: Path) -> None:
    """Each key of a search changes the request in one way."""
    path = tmp_path / "site.toml"
    path.write_text(f'extends = "base-r4"\n{text}')
    assert request(REQUESTS, "p1", profile.load(str(path))) == Request(OWN[text])


@pytest.mark.parametrize("name", profile.shipped())
def test_no_profile_loses_the_patient(name: str) -> None:
    """Whatever a profile says, every search is for one patient."""
    asked = [request(template, "p1", profile.load(name)) for template in templates()]
    assert [one for one in asked if one and "patient=p1" not in one.query and one.query != "Patient/p1"] == []


def test_only_requests_include_medications(tmp_path: Path) -> None:
    """``include`` under ``search.any`` adds nothing to a search whose resources hold no Medication."""
    path = tmp_path / "site.toml"
    path.write_text('extends = "base-r4"\n[search.any]\ninclude = true')
    assert request(CONSENTS, "p1", profile.load(str(path))) == Request("Consent?patient=p1&_count=50")
