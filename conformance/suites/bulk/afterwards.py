"""What a report of a bulk export says beside the verdicts: what it is, what was exported, and times."""

from collections import Counter
from typing import Any

from conformance.report import latency
from conformance.suites.bulk.probe import Done, Probe
from conformance.suites.ehr.afterwards import ehr


def facts(probe: Probe) -> dict[str, Any]:
    """Return what the EHR says it is, the files of the first export with their resources, and times."""
    done = probe.session.found("export ")
    parts = {
        "ehr": ehr(probe.session.found("metadata")),
        "export": _export(done) if isinstance(done, Done) else {},
        "latency": latency.table(probe.session.exchanges),
    }
    return {name: part for name, part in parts.items() if part}


def _export(done: Done) -> dict[str, Any]:
    files = Counter[str]()
    for one in done.output():
        files[str(one["type"])] += 1
    counts = Counter[str]()
    for one in done.output():
        counts[str(one["type"])] += one["count"] if isinstance(one.get("count"), int) else 0
    listed = [{"type": name, "files": files[name], "resources": counts[name]} for name in sorted(files)]
    return {"polls": len(done.polls), "output": listed} if listed else {}
