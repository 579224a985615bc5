"""What a report says beside the verdicts: each prefetch key over all calls, what they feed, and times."""

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec

from conformance.checks import Untested
from conformance.report import latency
from conformance.suites.cds_client import prefetched
from conformance.suites.cds_client.probe import Came, Probe
from conformance.suites.ehr import charts, surveyed
from conformance.suites.ehr.surveyed import Surveyed
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.survey.coverage import Coverage
from fhir_adapters.survey.wanted import Template, templates


def facts(probe: Probe) -> dict[str, Any]:
    """Return the calls, the prefetch by key, and the times; of what came only."""
    try:
        calls = probe.calls
    except Untested:
        return {}
    issuer = next((one.token["claims"].get("iss") for one in calls if "problem" not in one.token), None)
    parts = {
        "ehr": {"issuer": str(issuer)} if issuer else {},
        "heard": _heard(probe, calls),
        "prefetch": [_row(probe, calls, one) for one in templates()],
        "coverage": _coverage(probe, calls),
        "latency": latency.table(one for one in probe.session.exchanges if "key" in one.seen),
    }
    return {name: part for name, part in parts.items() if part}


def _coverage(probe: Probe, calls: list[Came]) -> dict[str, Any]:
    """Return what the prefetch feeds, of the fullest call for each patient that the adapters read."""
    fullest = {one.patient: one for one in sorted(calls, key=lambda one: len(one.prefetch)) if one.prefetch}
    profile = profiles.load(str(probe.options.get("profile") or profiles.match(None, _base(probe))))
    tally: Coverage | None = None
    for patient, one in sorted(fullest.items()):
        values = {key: msgspec.json.encode(value) for key, value in one.prefetch.items() if value is not None}
        try:
            read = charts.read_values(patient, {}, values, profile, one.at.date())
        except Untested:
            continue  # the check of what is wrong with it says so
        tally = tally or Coverage(one.at.date(), profile.name)
        tally.add(read.reading, read.adapted)
    return surveyed.facts(Surveyed(tally, tally, 0)) if tally else {}


def _base(probe: Probe) -> str:
    return str(probe.options.get("fhir_base") or "https://ehr.example/fhir")


def _heard(probe: Probe, calls: list[Came]) -> dict[str, Any]:
    """Return how many calls of each hook came, for how many patients, how close together, and how much feedback."""
    gaps = [round((after.at - one.at).total_seconds(), 1) for one, after in pairwise(probe.first_calls)]
    return {
        "calls": dict(sorted(Counter(one.hook for one in calls).items())),
        "patients": len({str(one.context.get("patientId")) for one in calls}),
        "feedback": len(probe.feedback_or_none),
        **({"shortest_gap_s": min(gaps)} if gaps else {}),
    }


def _row(probe: Probe, calls: list[Came], template: Template) -> dict[str, Any]:
    states = Counter(prefetched.state(one, template.key) for one in calls)
    compared = same = 0
    for one in calls:
        own = prefetched.answered(probe.read_back(one, template.key))
        if own is None or prefetched.state(one, template.key) not in ("sent", "empty"):
            continue
        compared += 1
        same += prefetched.held(one.prefetch[template.key]).versions == own.versions
    told = {"key": template.key, "holds": template.holds, "required": template.required}
    return {**told, "states": dict(sorted(states.items())), "compared": compared, "same": same}
