"""A run as JUnit XML, which build servers read: a test case a check; what charts feed is the suite's output."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as Xml

from conformance.checks import Result
from conformance.report import coverage
from conformance.report.findings import lines
from conformance.runner import Run


def document(run: Run) -> bytes:
    """Return the XML in UTF-8; a warning is no failure, what was not tested is skipped, broken is an error."""
    counts = run.counts()
    failures = sum(one.verdict == "fail" and not one.waived for one in run.results)
    suite = Xml.Element(
        "testsuite",
        name=f"undersign.{run.suite}",
        tests=str(len(run.results)),
        failures=str(failures),
        errors=str(counts["broken"]),
        skipped=str(counts["not-tested"]),
    )
    for result in run.results:
        _case(suite, result, run.suite, run.about)
    beside = [*coverage.told(run.facts), *run.notes]
    if beside:
        Xml.SubElement(suite, "system-out").text = "\n".join(beside)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: Xml.Element, result: Result, name: str, about: Mapping[str, Any]) -> None:
    check = result.check
    case = Xml.SubElement(suite, "testcase", name=check.id, classname=f"undersign.{name}.{check.group}")
    said = "\n".join(lines(result, about))
    kind = {"fail": "failure", "broken": "error", "not-tested": "skipped"}.get(result.verdict)
    if kind == "failure" and result.waived:
        kind = "skipped"
    if kind:
        Xml.SubElement(case, kind, message=result.said.message).text = said
    elif result.verdict == "warn":
        Xml.SubElement(case, "system-out").text = said
