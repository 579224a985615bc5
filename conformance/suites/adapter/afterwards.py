"""What a report of samples says beside the verdicts: each sample's own, what they feed, and what is left out."""

from typing import Any

from conformance.checks import Untested
from conformance.suites.adapter.probe import One, Probe
from conformance.suites.ehr import surveyed


def facts(probe: Probe) -> dict[str, Any]:
    """Return the samples, the coverage of features and what was left out; names, codes and counts only."""
    try:
        coverage, left_out = surveyed.facts(probe.survey()), probe.left_out()
    except Untested:
        return {"samples": [_sample(one) for one in probe.ones()]} if probe.found else {}
    return {
        "samples": [_sample(one) for one in probe.ones()],
        "coverage": coverage,
        "left_out": [
            {"path": place, "reason": reason, "tells": key, "count": number}
            for (place, reason, key), number in sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    }


def _sample(one: One) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.sample.name, "verdict": one.verdict}
    if one.error is not None:
        return {**found, "error": one.error.code}
    if one.adapted is None:
        return found
    features = one.adapted.features.features.values()
    return {
        **found,
        "fhir_version": one.adapted.patient.fhir_version,
        "fed": sum(feature.status == "present" for feature in features),
        "left_out": len(one.adapted.patient.refusals),
        "partial": sorted(name for name, state in one.adapted.patient.lists.items() if state == "partial"),
    }
