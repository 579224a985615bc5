"""Every prefetch key: what came, and whether it is what the same query returns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.checks import Check, Untested
from conformance.exchanges import Exchange
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.access import lent
from conformance.suites.cds_client.judging import Wrong, each, only, shown
from conformance.suites.cds_client.probe import Came, Json, Probe, as_list, as_object
from conformance.suites.ehr.listings import of_patient
from conformance.wording import counted
from fhir_adapters.survey.wanted import Template, templates

_GROUP = "prefetch"
_NO_SUCH_TYPE = 404


@dataclass(frozen=True, slots=True)
class Held:
    """The resources of a value: ``Type/id`` → version, empty where it has none. ``more``: there are further pages."""

    versions: dict[str, str]
    more: bool


def state(one: Came, key: str) -> str:
    """Return what came for a key: sent, empty, null, omitted, error or odd."""
    if key not in one.prefetch:
        return "omitted"
    value = one.prefetch[key]
    if value is None:
        return "null"
    kind = as_object(value).get("resourceType")
    if kind == "OperationOutcome":
        return "error"
    if kind is None:
        return "odd"
    return "empty" if kind == "Bundle" and not as_list(as_object(value).get("entry")) else "sent"


def held(value: Any) -> Held:
    """Return the resources of a prefetch value or of an answer, without what is included or said beside them."""
    whole = as_object(value)
    if whole.get("resourceType") != "Bundle":
        return Held(_named(whole), more=False)
    found: dict[str, str] = {}
    for entry in map(as_object, as_list(whole.get("entry"))):
        if as_object(entry.get("search")).get("mode", "match") == "match":
            found |= _named(as_object(entry.get("resource")))
    links = [as_object(link).get("relation") for link in as_list(whole.get("link"))]
    return Held(found, "next" in links)


def answered(pages: Sequence[Exchange]) -> Held | None:
    """Return what the EHR answered to a query, None where it did not answer it."""
    if not pages or any(one.status != 200 or one.error for one in pages):
        return None
    parts = [held(one.json()) for one in pages]
    if any(one.object().get("resourceType") == "OperationOutcome" for one in pages):
        return None
    return Held({name: version for part in parts for name, version in part.versions.items()}, parts[-1].more)


def _named(resource: Json) -> dict[str, str]:
    kind, id_ = resource.get("resourceType"), resource.get("id")
    if not kind or not id_ or kind == "OperationOutcome":
        return {}
    return {f"{kind}/{id_}": str(as_object(resource.get("meta")).get("versionId", ""))}


def _calls(probe: Probe) -> Sequence[Came]:
    return probe.calls


def _name(template: Template) -> str:
    return template.key if template.key == template.holds else f"{template.key} ({template.holds})"


def _fix(template: Template) -> str:
    return f"run the template {template.template.partition('&')[0]}{'…' if '&' in template.template else ''} of " \
           f"discovery and send what it returns as prefetch.{template.key}"  # fmt: skip


def _required(probe: Probe, one: Came) -> Iterable[Wrong]:
    """The service reads what is lacking itself where it may: then it costs time, else the call is answered 412."""
    for template in templates():
        came, own = state(one, template.key), probe.read_back(one, template.key)
        searched = "?" in template.template
        lacking = came in ("omitted", "error") or (came == "null" and not searched)
        found = answered(own)
        if not template.required or not lacking or _under_another_name(own, found):
            continue
        readable = bool(lent(one)) and not (own and found is None)
        words = {"omitted": "not sent", "error": "an OperationOutcome", "null": "null"}[came]
        then = "the service has to read it, while the user waits" if readable else "the call is answered 412"
        yield Wrong(f"the key {_name(template)} is required and is {words}: {then}",
                    f"$.prefetch.{template.key}", _fix(template), "a Bundle" if searched else "the Patient", words,
                    "warn" if readable else "fail")  # fmt: skip


def _under_another_name(own: Sequence[Exchange], found: Held | None) -> bool:
    """Return whether the EHR has nothing under this name: its dialect's query fills the key."""
    return bool(own) and (own[0].status == _NO_SUCH_TYPE or (found is not None and not found.versions))


def _optional(probe: Probe, one: Came) -> Iterable[Wrong]:
    """A key that the EHR's own query cannot fill either is rightly left out."""
    for template in templates():
        if template.required or state(one, template.key) != "omitted":
            continue
        own = probe.read_back(one, template.key)
        if own and answered(own) is None:
            continue
        found = answered(own)
        had = "" if found is None else ", and the same query finds something"
        if found is not None and not found.versions:
            continue
        yield Wrong(f"the key {_name(template)} is not sent{had}", f"$.prefetch.{template.key}",
                    _fix(template), "a Bundle", "not sent", "warn")  # fmt: skip


def _shape(_: Probe, one: Came) -> Iterable[Wrong]:
    for template in templates():
        came = state(one, template.key)
        if came not in ("sent", "empty", "odd"):
            continue
        kind = as_object(one.prefetch[template.key]).get("resourceType")
        want = "Bundle" if "?" in template.template else template.template.partition("/")[0]
        if kind != want:
            yield Wrong(f"the key {template.key} is no {want}", f"$.prefetch.{template.key}", _fix(template), want,
                        shown(kind or type(one.prefetch[template.key]).__name__))  # fmt: skip
        elif want == "Bundle":
            strangers = sorted({name.partition("/")[0] for name in held(one.prefetch[template.key]).versions}
                               - {template.template.partition("?")[0]})  # fmt: skip
            if strangers:
                yield Wrong(f"the key {template.key} holds resources of another type", f"$.prefetch.{template.key}",
                            _fix(template), template.template.partition("?")[0], ", ".join(strangers))  # fmt: skip


def _errors(_: Probe, one: Came) -> Iterable[Wrong]:
    for template in templates():
        if state(one, template.key) == "error":
            issues = [as_object(issue) for issue in as_list(as_object(one.prefetch[template.key]).get("issue"))]
            details = [as_object(issue.get("details")).get("text") or issue.get("code") for issue in issues]
            yield Wrong(f"the EHR could not read {_name(template)}", f"$.prefetch.{template.key}",
                        f"run GET [FHIR base]/{template.template.partition('&')[0]} as this user and mend what it says",
                        "a Bundle", shown(details[0] if details else None))  # fmt: skip


def _null(probe: Probe, one: Came) -> Iterable[Wrong]:
    for template in templates():
        found = answered(probe.read_back(one, template.key)) if state(one, template.key) == "null" else None
        if found is not None and found.versions:
            yield Wrong(f"the key {template.key} is null, and the same query finds something",
                        f"$.prefetch.{template.key}", _fix(template), counted(len(found.versions), "resource"),
                        "null")  # fmt: skip


def _whole(_: Probe, one: Came) -> Iterable[Wrong]:
    for template in templates():
        value = as_object(one.prefetch.get(template.key))
        entries, total = len(held(value).versions), value.get("total")
        if held(value).more:
            yield Wrong(f"the key {template.key} is a page of a list", f"$.prefetch.{template.key}.link",
                        "send the whole list, up to the template's _count, on one page", "no next link", "a next link",
                        "warn")  # fmt: skip
        elif isinstance(total, int) and total > entries:
            yield Wrong(f"the key {template.key} holds fewer than its total", f"$.prefetch.{template.key}.entry",
                        "send every entry of the list", f"{total} entries", f"{entries} entries")  # fmt: skip


def _pairs(probe: Probe, one: Came) -> Iterator[tuple[Template, Held, Held]]:
    """Yield (template, what was sent, what the query returns) where both are lists or resources."""
    for template in templates():
        found = answered(probe.read_back(one, template.key))
        if found is not None and state(one, template.key) in ("sent", "empty"):
            yield template, held(one.prefetch[template.key]), found


def _same(probe: Probe, one: Came) -> Iterable[Wrong]:
    for template, sent, own in _pairs(probe, one):
        lost, extra = own.versions.keys() - sent.versions.keys(), sent.versions.keys() - own.versions.keys()
        if (lost and not sent.more) or extra:
            yield Wrong(f"the key {template.key} is not what the same query returns", f"$.prefetch.{template.key}",
                        _fix(template), counted(len(own.versions), "resource"),
                        f"{len(sent.versions)}: {len(lost)} missing, {len(extra)} too many")  # fmt: skip


def _versions(probe: Probe, one: Came) -> Iterable[Wrong]:
    for template, sent, own in _pairs(probe, one):
        old = [
            name for name, version in sent.versions.items()
            if version and own.versions.get(name, version) not in ("", version)
        ]  # fmt: skip
        if old:
            yield Wrong(f"the key {template.key} holds other versions than the same query returns",
                        f"$.prefetch.{template.key}",
                        "read the chart when the hook fires, not from a cache that is older",
                        "the present version", f"{len(old)} resources of another version")  # fmt: skip


def _versioned(probe: Probe) -> Sequence[Came]:
    found = [
        one for one in _comparable(probe)
        if any(version and own.versions.get(name) for _, sent, own in _pairs(probe, one)
               for name, version in sent.versions.items())
    ]  # fmt: skip
    return only(found, "nothing that was sent has a version (meta.versionId)")


def _own(_: Probe, one: Came) -> Iterable[Wrong]:
    keys = [key for key, value in one.prefetch.items() if _foreign(one, value)]
    if keys:
        yield Wrong("another patient's data came in prefetch: the call is refused", "$.prefetch",
                    "stop: send the data of the patient in the context only", "the patient in the context",
                    f"another patient in {', '.join(keys)}")  # fmt: skip


def _foreign(one: Came, value: Any) -> bool:
    """Return whether a value holds a resource that names another patient than the context."""
    base, whole = str(one.body.get("fhirServer") or "").rstrip("/"), as_object(value)
    entries = as_list(whole.get("entry")) if whole.get("resourceType") == "Bundle" else [{"resource": whole}]
    resources = [as_object(as_object(entry).get("resource")) for entry in entries]
    return any(of_patient(_short(resource), one.patient, base) is False for resource in resources)


def _short(resource: Json) -> Json:
    """Return the resource with its patient's reference without any address before it."""
    for name in ("subject", "patient"):
        reference = as_object(resource.get(name)).get("reference")
        if isinstance(reference, str) and re.match(r"https?://.*/Patient/", reference):
            return {**resource, name: {"reference": reference[reference.rindex("Patient/") :]}}
    return resource


def _unasked(_: Probe, one: Came) -> Iterable[Wrong]:
    known = {template.key for template in templates()}
    for key in sorted(one.prefetch.keys() - known):
        yield Wrong("a key is sent that was not asked for", f"$.prefetch.{key}",
                    "send the keys of discovery only: less data leaves the EHR", shown(", ".join(sorted(known))),
                    shown(key), "warn")  # fmt: skip


def _sent(probe: Probe) -> Sequence[Came]:
    return only([one for one in probe.calls if one.prefetch], "no call had a prefetch")


def _nulls(probe: Probe) -> Sequence[Came]:
    """Return the calls with null that can be judged; all of them where there is no null."""
    found = [one for one in _sent(probe) if any(value is None for value in one.prefetch.values())]
    asked = [one for one in found if any(probe.read_back(one, key) for key in one.prefetch)]
    return (
        only(asked, "null came, and the EHR was not asked for the same data: give --fhir-base")
        if found
        else _sent(probe)
    )


def _comparable(probe: Probe) -> Sequence[Came]:
    found = [one for one in probe.compared() if any(True for _ in _pairs(probe, one))]
    if not found:
        raise Untested("the EHR answered none of the queries, so nothing could be compared (see access.works)")
    return found


CHECKS: tuple[Check[Probe], ...] = (
    Check("prefetch.required", "What is required is sent", _GROUP, must.P1, "blocks-start", "ehr-team",
          each(_calls, _required, "every required key is sent")),
    Check("prefetch.optional", "The other keys are sent", _GROUP, must.P2, "degrades", "ehr-team",
          each(_calls, _optional, "every key is sent that the EHR can fill")),
    Check("prefetch.shape", "Values are resources and searchsets", _GROUP, must.P3, "blocks-start", "ehr-team",
          each(_sent, _shape, "values are what their templates ask for")),
    Check("prefetch.errors", "The EHR could read", _GROUP, must.P4, "degrades", "ehr-team",
          each(_sent, _errors, "no key is an OperationOutcome")),
    Check("prefetch.null", "null means none", _GROUP, must.P5, "blocks-start", "ehr-team",
          each(_nulls, _null, "no key is null for which the EHR has data")),
    Check("prefetch.whole", "Lists come whole", _GROUP, must.P6, "degrades", "ehr-team",
          each(_sent, _whole, "lists are on one page and hold their total")),
    Check("prefetch.equal", "Prefetch is what the query returns", _GROUP, must.P7, "blocks-start", "ehr-team",
          each(_comparable, _same, "every key is what the same query returns")),
    Check("prefetch.versions", "Prefetch is present", _GROUP, must.P7, "degrades", "ehr-team",
          each(_versioned, _versions, "every resource has the version that the same query returns")),
    Check("prefetch.patient", "Prefetch is the patient's", _GROUP, must.P8, "blocks-start", "ehr-team",
          each(_sent, _own, "all resources are the patient's")),
    Check("prefetch.undeclared", "Nothing else is sent", _GROUP, must.P9, "information", "ehr-team",
          each(_sent, _unasked, "only keys of discovery are sent")),
)  # fmt: skip
