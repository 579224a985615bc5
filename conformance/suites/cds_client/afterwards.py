"""What a report says beside the verdicts: each prefetch key over all calls, and the times of what was asked."""

from collections import Counter
from itertools import pairwise
from typing import Any

from conformance.checks import Untested
from conformance.report import latency
from conformance.suites.cds_client import prefetched
from conformance.suites.cds_client.probe import Came, Probe
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
        "latency": latency.table(one for one in probe.session.exchanges if "key" in one.seen),
    }
    return {name: part for name, part in parts.items() if part}


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
