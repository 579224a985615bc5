"""What the service says of itself."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from conformance.checks import Check, Told, failed, passed
from conformance.reference_ehr.cards import empties
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe, templates, templates_fit

_GROUP = "discovery"
_TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
# Root fields of the context whose table says "Prefetch Token: Yes": none that holds resources.
_TOKENS = re.compile(
    r"context\.(?!(draftOrders|selections|appointments|medications|fulfillmentTasks)$)[A-Za-z]+"
    r"|user(Practitioner|PractitionerRole|Patient|RelatedPerson)Id"
)
_COMPARED = re.compile(r"(eq|lt|gt|le|ge)?(\d|\{\{)")
_SEMVER = re.compile(r"\d+\.\d+(\.\d+)?([-+].*)?")
# "Prefetch query restrictions": date comparisons, token equality and :in, _count and _sort.
_PORTABLE = re.compile(r"[A-Za-z_][A-Za-z_\-]*(:in)?")


async def _answers(probe: Probe) -> Sequence[Told]:
    answer = await probe.discovery()
    services = answer.list("services")
    if answer.status == 200 and services is not None:
        return passed(f"discovery lists {len(services)} services", answer.number)
    said = "discovery does not answer 200 with a list of services"
    wanted, got = '200 and {"services": […]}', f"{answer.status} {answer.header('content-type')}"
    if answer.json() is None:  # most often the address of something else
        fix = "check the address: it is what stands before /cds-services"
        return (Told("fail", said, wanted, got, "$.services", fix, "integration-engineer", (answer.number,)),)
    fix = "answer GET {base}/cds-services with 200 and an object that holds services, empty where there is none"
    return failed(said, answer.number, expected=wanted, got=got, path="$.services", fix=fix)


async def _typed(probe: Probe) -> Sequence[Told]:
    await probe.services()
    answer = await probe.discovery()
    if "application/json" in answer.header("content-type"):
        return passed("discovery is sent as application/json", answer.number)
    got = answer.header("content-type") or "no Content-Type"
    fix = "send discovery with Content-Type: application/json"
    said = "discovery is not sent as JSON"
    return (Told("warn", said, "application/json", got, "Content-Type", fix, exchanges=(answer.number,)),)


async def _named(probe: Probe) -> Sequence[Told]:
    services = await probe.services()
    said = [
        Told("fail", f"services[{n}] lacks {name}", "a text", _shown(one.get(name)), f"$.services[{n}].{name}",
             f"give the service {'an' if name == 'id' else 'a'} {name}")
        for n, one in enumerate(services)
        for name in ("hook", "id", "description")
        if not isinstance(one.get(name), str) or not one[name]
    ]  # fmt: skip
    said += [
        Told("fail", f"services[{n}] has prefetch that is no object of texts", '{"key": "template"}',
             _shown(one["prefetch"]), path=f"$.services[{n}].prefetch", fix="write one template, a text, for each key")
        for n, one in enumerate(services)
        if not templates_fit(one)
    ]  # fmt: skip
    return said or passed(f"{len(services)} services name hook, id and description")


async def _titled(probe: Probe) -> Sequence[Told]:
    said = [
        Told("warn", f"{one.get('id')} has no title", "a text", "absent", f"$.services[{n}].title",
             "give the service a title of a few words")
        for n, one in enumerate(await probe.services())
        if not one.get("title")
    ]  # fmt: skip
    return said or passed("every service has a title")


async def _unique(probe: Probe) -> Sequence[Told]:
    services = await probe.services()
    # The standard lets one id stand under several hooks; clients that key services by address lose one of ours.
    whole = await probe.is_ours()
    ids = [str(one.get("id")) if whole else f"{one.get('id')} for {one.get('hook')}" for one in services]
    said = [
        Told("warn", f"{one} is listed {ids.count(one)} times", "once", f"{ids.count(one)} times", "$.services[*].id",
             fix="give each service an id of its own: a client keeps one of those that share it")
        for one in sorted({one for one in ids if ids.count(one) > 1})
    ]  # fmt: skip
    return said or passed("no id is listed twice" if whole else "no id is listed twice for a hook")


async def _relative(probe: Probe) -> Sequence[Told]:
    said = [
        Told("fail", f"prefetch {key} of {id_} is no relative query", "Patient/{{context.patientId}}", template[:60],
             f"$.services[?(@.id=='{id_}')].prefetch.{key}", "write it relative to the FHIR base")
        for id_, key, template in _templates(await probe.services())
        if urlsplit(template).scheme or template.startswith("/") or not re.match(r"[A-Z][A-Za-z]+[/?]", template)
    ]  # fmt: skip
    return said or passed("every template is a relative read or search")


async def _tokens(probe: Probe) -> Sequence[Told]:
    said = [
        Told("fail", f"prefetch {key} of {id_} has a token that a 2.0 client cannot fill", "{{context.field}}",
             "{{" + token + "}}", f"$.services[?(@.id=='{id_}')].prefetch.{key}",
             "use a context field of the hook's table whose prefetch token is yes, or one of the user ids")
        for id_, key, template in _templates(await probe.services())
        for token in _TOKEN.findall(template)
        if not _TOKENS.fullmatch(token.strip())
    ]  # fmt: skip
    return said or passed("every token is a context field or a user id")


async def _portable(probe: Probe) -> Sequence[Told]:
    said: list[Told] = []
    for id_, key, template in _templates(await probe.services()):
        for name, value in parse_qsl(template.partition("?")[2], keep_blank_values=True):
            wrong_date = name.endswith("date") and not _COMPARED.match(value)
            if not _PORTABLE.fullmatch(name) or wrong_date:
                path = f"$.services[?(@.id=='{id_}')].prefetch.{key}"
                message = f"prefetch {key} of {id_} goes beyond the portable subset"
                fix = "ask by references, tokens, :in and eq, lt, gt, ge or le of dates; filter the rest in the service"
                said.append(Told("warn", message, "what every client can ask", f"{name}={value}"[:60], path, fix))
    return said or passed("every template keeps to the portable subset")


async def _versioned(probe: Probe) -> Sequence[Told]:
    versions = {str(one["version"]) for one in await probe.services() if "version" in one}
    wrong = [one for one in versions if not _SEMVER.fullmatch(one)]
    if wrong:
        fix = "give the version of CDS Hooks that is spoken, or leave the field out"
        return (Told("warn", "version is no version of the standard", "2.0.1", wrong[0], "$.services[*].version", fix),)
    return passed(f"says version {', '.join(sorted(versions))}" if versions else "says no version, which 2.0 allows")


async def _full(probe: Probe) -> Sequence[Told]:
    services = await probe.services()
    answer = await probe.discovery()
    judged = re.compile(r"services\[\d+\]\.(hook|id|description|title)")  # discovery.fields, discovery.title
    broken = tuple(f"services[{n}].prefetch" for n, one in enumerate(services) if not templates_fit(one))
    places = [
        place
        for place in (empties(answer.json(), "") if services else ())
        if not judged.fullmatch(place) and not (broken and place.startswith(broken))
    ]
    said = [
        Told("fail", f"{place} is empty", "left out", "null, empty text, list or object", f"$.{place}",
             "leave the field out", exchanges=(answer.number,))
        for place in places[:5]
    ]  # fmt: skip
    return said or passed("nothing in it is empty", answer.number)


async def _secure(probe: Probe) -> Sequence[Told]:
    scheme, host = urlsplit(probe.url).scheme, urlsplit(probe.url).hostname
    if scheme == "https":
        return passed("the service is called over HTTPS")
    if host in ("127.0.0.1", "::1", "localhost"):
        return (Told("not-tested", "called on this machine without TLS; try it under its real address"),)
    fix = "serve it over HTTPS with a certificate that the hospital trusts"
    return (Told("fail", "the service is called without TLS", "https", scheme, fix=fix),)


def _seen(judge: Callable[[Probe], Awaitable[Sequence[Told]]]) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    """Return the judge with the request of discovery behind all that it says."""

    async def check(probe: Probe) -> Sequence[Told]:
        said = await judge(probe)
        number = (await probe.discovery()).number
        return [replace(one, exchanges=one.exchanges or (number,)) for one in said]

    return check


def _shown(value: object) -> str:
    """Return what stands where a text should, without its content."""
    return "absent" if value is None else "an empty text" if value == "" else f"a JSON {type(value).__name__}"


def _templates(services: Sequence[Json]) -> Iterator[tuple[str, str, str]]:
    for one in services:
        for key, template in templates(one).items():
            yield str(one.get("id")), key, template


CHECKS: tuple[Check[Probe], ...] = (
    Check("discovery.answers", "Discovery answers", _GROUP, must.D1, "blocks-start", "service-team", _answers),
    Check("discovery.json", "Discovery is JSON", _GROUP, must.T1, "information", "service-team", _typed),
    Check(
        "discovery.fields",
        "Services name hook, id, description",
        _GROUP,
        must.D3,
        "blocks-start",
        "service-team",
        _seen(_named),
    ),
    Check("discovery.title", "Services have titles", _GROUP, must.D4, "information", "service-team", _seen(_titled)),
    Check("discovery.unique-ids", "Ids stand once", _GROUP, must.D8, "degrades", "service-team", _seen(_unique)),
    Check(
        "discovery.relative",
        "Templates are relative",
        _GROUP,
        must.P1,
        "blocks-start",
        "service-team",
        _seen(_relative),
    ),
    Check("discovery.tokens", "Tokens can be filled", _GROUP, must.P2, "blocks-start", "service-team", _seen(_tokens)),
    Check(
        "discovery.portable", "Templates are portable", _GROUP, must.P4, "degrades", "service-team", _seen(_portable)
    ),
    Check("discovery.version", "Version is one", _GROUP, must.D1, "information", "service-team", _seen(_versioned)),
    Check("discovery.no-empties", "Nothing is empty", _GROUP, must.T2, "degrades", "service-team", _full),
    Check("discovery.tls", "Called over HTTPS", _GROUP, must.T1, "blocks-start", "integration-engineer", _secure),
)
