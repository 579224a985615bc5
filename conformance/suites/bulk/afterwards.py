"""What a report of a bulk export says beside the verdicts: what it is, what was exported and feeds, and times."""

from collections import Counter
from typing import Any

from conformance.report import latency
from conformance.suites.bulk.probe import Done, Probe
from conformance.suites.ehr import surveyed
from conformance.suites.ehr.afterwards import ehr
from conformance.suites.ehr.surveyed import Surveyed
from fhir_adapters.survey.coverage import Coverage


def facts(probe: Probe) -> dict[str, Any]:
    """Return what the EHR says it is, the files of the first export with their resources, and times."""
    done = probe.session.found("export ")
    parts = {
        "ehr": ehr(probe.session.found("metadata")),
        "coverage": _coverage(probe),
        "export": _export(done) if isinstance(done, Done) else {},
        "latency": latency.table(probe.session.exchanges),
    }
    return {name: part for name, part in parts.items() if part}


def _coverage(probe: Probe) -> dict[str, Any]:
    """Return what the exported charts feed, of the patients that were compared."""
    reads = list(probe.exported.values())
    if not reads:
        return {}
    tally = Coverage(probe.rest.now.date(), reads[0].reading.profile.name)
    for one in reads:
        tally.add(one.reading, one.adapted)
    return surveyed.facts(Surveyed(tally, tally, 0))


def _export(done: Done) -> dict[str, Any]:
    files = Counter[str]()
    for one in done.output():
        files[str(one["type"])] += 1
    counts = Counter[str]()
    for one in done.output():
        counts[str(one["type"])] += one["count"] if isinstance(one.get("count"), int) else 0
    listed = [{"type": name, "files": files[name], "resources": counts[name]} for name in sorted(files)]
    return {"polls": len(done.polls), "output": listed} if listed else {}
