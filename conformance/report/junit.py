"""A run as JUnit XML, which build servers read: a test case a check."""

from xml.etree import ElementTree as Xml

from conformance.checks import Result
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
        _case(suite, result, run.suite)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: Xml.Element, result: Result, name: str) -> None:
    check = result.check
    case = Xml.SubElement(suite, "testcase", name=check.id, classname=f"undersign.{name}.{check.group}")
    said = "\n".join(line for one in result.told for line in (one.message, one.fix and f"fix: {one.fix}") if line)
    kind = {"fail": "failure", "broken": "error", "not-tested": "skipped"}.get(result.verdict)
    if kind == "failure" and result.waived:
        kind, said = "skipped", f"waived: {result.waived}\n{said}"
    if kind:
        Xml.SubElement(case, kind, message=result.said.message).text = said
    elif result.verdict == "warn":
        Xml.SubElement(case, "system-out").text = said
