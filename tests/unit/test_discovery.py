"""What discovery promises, and that the prefetch templates are portable."""

import json
import re

import pytest

from fhir_adapters import terminology
from fhir_adapters.reading.reader import PREFETCH_KEYS
from recommender.catalog import knowledge
from service.cds import discovery
from service.errors import NotFound

K = knowledge.load()
SERVICES = json.loads(discovery.document())["services"]
# CDS Hooks 2.0.1, "Prefetch query restrictions".
PORTABLE = re.compile(r"patient|code|date|_count|_sort|category")


@pytest.mark.parametrize(
    ("service_id", "hook"),
    [
        ("psychotropic-options", "patient-view"),
        ("psychotropic-order-select", "order-select"),
        ("psychotropic-order-sign", "order-sign"),
    ],
)
def test_each_service_is_described(service_id: str, hook: str) -> None:
    """Each service answers one hook, with title, description, usage, a version and one shared prefetch."""
    (service,) = (one for one in SERVICES if one["id"] == service_id)
    assert (service["hook"], service["version"]) == (hook, "2.0.1")
    assert all(service[name] for name in ("title", "description", "usageRequirements"))
    assert service["prefetch"] == SERVICES[0]["prefetch"]


def test_no_service_is_listed_twice() -> None:
    """There are three services, no two with the same id or hook: some clients lose one of them."""
    assert len({one["id"] for one in SERVICES}) == len({one["hook"] for one in SERVICES}) == len(SERVICES) == 3


def test_the_keys_are_those_of_the_reader() -> None:
    """The prefetch has each key that the chart reader knows, and four that it cannot do without."""
    templates = discovery.service("psychotropic-options").templates
    required = {template.key for template in templates if template.required}
    assert required == {"patient", "conditions", "medications", "scores"}
    assert {t.key for t in templates} == set(PREFETCH_KEYS) == set(SERVICES[0]["prefetch"])


@pytest.mark.parametrize("template", SERVICES[0]["prefetch"].values())
def test_templates_keep_to_the_portable_subset(template: str) -> None:
    """Each template is a read or a search with portable parameters and the patient's id as only token."""
    path, _, query = template.partition("?")
    assert re.findall(r"{{(.*?)}}", template) == ["context.patientId"]
    assert len(template) < 4000
    if query:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", path)
        assert all(PORTABLE.fullmatch(pair.partition("=")[0]) for pair in query.split("&"))
        assert re.search(r"_count=\d+", query)


def test_scores_ask_for_the_totals_and_the_answer_on_self_harm() -> None:
    """The scores' search holds the codes of the PHQ-9 total, its question 9 and the GAD-7 total."""
    scores = SERVICES[0]["prefetch"]["scores"]
    for code in ("44261-6", "44260-8", "70274-6"):
        assert f"http://loinc.org|{code}" in scores


def test_every_scale_that_a_gate_reads_is_asked_for() -> None:
    """No positive answer on self-harm can be missed because its scale was not searched for."""
    read = {row.reads.partition(":")[2].partition("/")[0] for row in K.gates if row.reads.startswith("scale:")}
    asked = SERVICES[0]["prefetch"]["scores"]
    codes = terminology.load().scale_codes.items()
    missing = [code for (system, code), part in codes if part.scale in read and f"{system}|{code}" not in asked]
    assert missing == []


def test_an_unknown_service_is_404() -> None:
    """An id that is not listed is U-CDS-SERVICE."""
    with pytest.raises(NotFound, match="U-CDS-SERVICE"):
        discovery.service("psychotropic-everything")
