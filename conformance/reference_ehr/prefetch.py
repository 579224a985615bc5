"""Prefetch: the templates of a CDS service, filled in and run against the EHR's own record.

Tokens and templates as in CDS Hooks 2.0 "Prefetch Template": relative reads and searches, ``{{context.x}}``
and ``{{userPractitionerId}}``. A key that cannot be filled is left out; a failed one is an OperationOutcome. So is
one for a resource type that the EHR's dialect does not have, or has under another name: an empty answer would
say that there is nothing.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from conformance.reference_ehr.dialects import Dialect
from conformance.reference_ehr.parameters import KNOWN
from conformance.reference_ehr.refusals import Json, Refusal, operation_outcome
from conformance.reference_ehr.search import LARGEST_PAGE, bundle, search
from conformance.reference_ehr.store import Store

_TOKEN = re.compile(r"\{\{\s*([A-Za-z.]+)\s*\}\}")


def expand(template: str, context: Mapping[str, object]) -> str | None:
    """Return the template with its tokens filled in, None when a token is not in the context.

    ``context`` holds the hook's context; ``userPractitionerId`` comes from its ``userId``.
    """
    names = {f"context.{key}": value for key, value in context.items() if isinstance(value, str)}
    kind, _, user_id = str(context.get("userId", "")).partition("/")
    names[f"user{kind}Id"] = user_id
    if "{{" in _TOKEN.sub("", template) or any(name not in names for name in _TOKEN.findall(template)):
        return None
    return _TOKEN.sub(lambda match: names[match[1]], template)


def run(store: Store, base: str, query: str, dialect: Dialect) -> Json:
    """Return what a filled-in template gives: a resource, a whole searchset, or an OperationOutcome."""
    path, _, parameters = query.partition("?")
    try:
        if "/" in path:
            return store.read(path).body
        asked = [(n, v) for n, v in parse_qsl(parameters, keep_blank_values=True) if n != "_count"]
        whole = [*asked, ("_count", str(LARGEST_PAGE))]
        found = search(store, base, path, whole, strict=True)
        return bundle(store, base, path, found, KNOWN, dialect)
    except Refusal as refusal:
        return operation_outcome(refusal)


def fill(
    store: Store, base: str, templates: Mapping[str, str], context: Mapping[str, object], dialect: Dialect
) -> tuple[dict[str, Json], dict[str, str]]:
    """Return the prefetch, and the query that stands behind each of its keys."""
    queries = {key: expand(template, context) for key, template in templates.items()}
    lacking = dialect.unserved | dialect.moved
    known = {key: query for key, query in queries.items() if query is not None and _type(query) not in lacking}
    return {key: run(store, base, query, dialect) for key, query in known.items()}, known


def _type(query: str) -> str:
    return query.partition("?")[0].partition("/")[0]
