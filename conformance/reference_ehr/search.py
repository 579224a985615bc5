"""Search: which resources of a type fit a query, what is included with them, and one page of the answer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from conformance.reference_ehr import dialects, instants
from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.dialects import Dialect, envelopes
from conformance.reference_ehr.parameters import KNOWN, Parameter, parameter
from conformance.reference_ehr.refusals import Json, invalid, not_found
from conformance.reference_ehr.store import Store, Version

PAGE = 50
LARGEST_PAGE = dialects.LARGEST_PAGE
_PLAIN = dialects.of(dialects.PLAIN)
Query = Sequence[tuple[str, str]]
_RESULT = ("_count", "_offset", "_sort", "_include", "_revinclude", "_summary", "_format")


@dataclass(frozen=True, slots=True)
class Found:
    """All matches in order, and the parameters that were understood (for the self link)."""

    matches: tuple[Version, ...]
    understood: Query


def search(store: Store, base: str, resource_type: str, query: Query, *, strict: bool = False) -> Found:
    """Return what fits every parameter.

    An unknown parameter is left out of the answer's self link, or refused in strict handling (R4
    search.html#errors). An unknown modifier is always refused: ignoring it would widen the answer.
    """
    if resource_type not in KNOWN:
        raise not_found("resource type")
    understood = [(name, value) for name, value in query if _known(resource_type, name)]
    if strict and len(understood) != len(query):
        raise invalid("A search parameter is unknown here, and strict handling was asked for.")
    matches = store.all(resource_type)
    for name, value in understood:
        wanted = parameter(resource_type, name)
        if wanted is not None:
            matches = [version for version in matches if _fits(version.body, wanted, value, base)]
    return Found(tuple(_sorted(matches, resource_type, understood)), understood)


def bundle(
    store: Store, base: str, resource_type: str, found: Found, includable: Iterable[str], dialect: Dialect = _PLAIN
) -> Json:
    """Return one page as a searchset, with the habits of ``dialect``; ``includable``: what the caller may search."""
    options = dict(found.understood)
    head: Json = {"resourceType": "Bundle", "type": "searchset"}
    links = [{"relation": "self", "url": _url(base, resource_type, found.understood)}]
    if options.get("_summary") == "count":
        return {**head, "total": len(found.matches), "link": links}
    size, offset = min(_whole(options, "_count", PAGE), dialect.page), _whole(options, "_offset", 0)
    page = found.matches[offset : offset + size]
    if size and offset + size < len(found.matches):
        following = [(n, v) for n, v in found.understood if n not in ("_offset", "_count")]
        following += [("_count", str(size)), ("_offset", str(offset + size))]
        links.append({"relation": "next", "url": _url(base, resource_type, following)})
    extra = [v for v in _included(store, base, page, found.understood) if v.type in set(includable)]
    entries = [_entry(base, version, "match") for version in page]
    entries += [_entry(base, version, "include") for version in extra]
    entries += [{"resource": envelopes.notice(), "search": {"mode": "outcome"}}] if dialect.outcome else []
    counted = {"total": len(found.matches)} if dialect.total else {}
    return {**head, **counted, "link": links, **({"entry": entries} if entries else {})}


def values(resource: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a dotted path, through lists."""
    if is_list(resource):
        for inner in resource:
            yield from values(inner, path)
    elif not path:
        yield resource
    elif is_object(resource):
        head, _, rest = path.partition(".")
        if head in resource:
            yield from values(resource[head], rest)


def local_reference(reference: object, base: str) -> str | None:
    """Return ``Type/id`` of a Reference that points into this EHR, else None."""
    text = reference.get("reference") if is_object(reference) else None
    if not isinstance(text, str):
        return None
    text = text.removeprefix(base + "/")
    parts = text.split("/")
    return "/".join(parts[:2]) if len(parts) >= 2 and parts[0] in KNOWN else None


def _known(resource_type: str, name: str) -> bool:
    plain, colon, _ = name.partition(":")
    if colon and not plain.startswith("_"):
        raise invalid("This EHR knows no search modifiers.")
    return name in _RESULT or parameter(resource_type, name) is not None


def _fits(body: Json, wanted: Parameter, value: str, base: str) -> bool:
    elements = [element for path in wanted.paths for element in values(body, path)]
    return any(_fits_one(element, wanted, choice, base) for choice in value.split(",") for element in elements)


def _fits_one(element: Any, wanted: Parameter, value: str, base: str) -> bool:
    if wanted.kind == "date":
        return instants.matches(value, element)
    if wanted.kind == "token":
        return _token_fits(element, value)
    if wanted.kind == "reference":
        found = local_reference(element, base)
        asked = value.removeprefix(base + "/")
        return found is not None and _same_reference(found, asked, wanted.target)
    return str(element).lower().startswith(value.lower())


def _same_reference(found: str, asked: str, target: str | None) -> bool:
    resource_type, _, resource_id = found.partition("/")
    if target is not None and resource_type != target:
        return False
    return asked == (found if "/" in asked else resource_id)


def _token_fits(element: Any, value: str) -> bool:
    system, bar, code = value.rpartition("|")
    return any(
        (not code or code == own_code) and (not bar or own_system in (None, system))
        for own_system, own_code in _tokens(element)
    )


def _tokens(element: Any) -> Iterator[tuple[str | None, str]]:
    """Yield (system, code) of a concept, coding, identifier, code or boolean; None is an implied system."""
    if isinstance(element, bool):
        yield None, str(element).lower()
    elif isinstance(element, str):
        yield None, element
    elif is_object(element):
        for coding in element.get("coding", [element]):
            yield coding.get("system", ""), coding.get("code", coding.get("value", ""))


def _sorted(matches: list[Version], resource_type: str, query: Query) -> list[Version]:
    for key in reversed(dict(query).get("_sort", "").split(",")):
        wanted = parameter(resource_type, key.removeprefix("-"))
        if wanted is not None:
            order = partial(_sort_key, wanted)
            matches = sorted(matches, key=order, reverse=key.startswith("-"))
    return matches


def _sort_key(wanted: Parameter, version: Version) -> str:
    texts = [str(element) for path in wanted.paths for element in values(version.body, path)]
    return min(texts, default="")


def _included(store: Store, base: str, page: Sequence[Version], query: Query) -> Iterator[Version]:
    seen = {version.reference for version in page}
    for name, value in query:
        if name in ("_include", "_revinclude"):
            for version in _linked(store, base, page, name, value):
                if version.reference not in seen:
                    seen.add(version.reference)
                    yield version


def _linked(store: Store, base: str, page: Sequence[Version], name: str, value: str) -> list[Version]:
    source, _, field = value.partition(":")
    field = field.partition(":")[0]
    wanted = parameter(source, field) if source in KNOWN else None
    if wanted is None or wanted.kind != "reference":
        raise invalid("That include is unknown here.")
    if name == "_revinclude":
        targets = {version.reference for version in page}
        return [v for v in store.all(source) if targets & set(_references(v, wanted, base))]
    wanted_references = [r for v in page if v.type == source for r in _references(v, wanted, base)]
    return [found for found in map(store.find, wanted_references) if found is not None]


def _references(version: Version, wanted: Parameter, base: str) -> list[str]:
    found = [local_reference(e, base) for path in wanted.paths for e in values(version.body, path)]
    return [reference for reference in found if reference is not None]


def _entry(base: str, version: Version, mode: str) -> Json:
    return {"fullUrl": f"{base}/{version.reference}", "resource": version.body, "search": {"mode": mode}}


def _whole(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise invalid(f"{name} is not a whole number.")
    return int(text)


def _url(base: str, resource_type: str, query: Query) -> str:
    return f"{base}/{resource_type}" + (f"?{urlencode(list(query))}" if query else "")
