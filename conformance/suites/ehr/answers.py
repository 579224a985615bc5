"""What an answer says, in few words that a finding can show."""

import re
from typing import Any, cast

from conformance.exchanges import Exchange
from conformance.suites.ehr.listings import Json
from conformance.wording import quoted

_LONGEST = 140
_INSIDE = re.compile(
    rb"Traceback \(most recent|\bat [\w.$]+\([\w]+\.(?:java|kt|cs):\d+\)|\bat [\w./<>\\-]+:\d+:\d+|"
    rb"System\.\w+Exception|java\.lang\.|SQLSTATE|ORA-\d{5}"
)


def words(answer: Exchange) -> str:
    """Return the server's own words for a refusal, of an OperationOutcome or an OAuth error, without names."""
    return issue_words(answer.object())


def issue_words(body: Json) -> str:
    """Return what ``words`` does, of a body."""
    said = [str(body[name]) for name in ("error", "error_description") if isinstance(body.get(name), str)]
    issues: Any = body.get("issue")
    listed = cast("list[Any]", issues) if isinstance(issues, list) else []
    for issue in (cast("Json", one) for one in listed if isinstance(one, dict)):
        details: Any = issue.get("details")
        text = cast("Json", details).get("text") if isinstance(details, dict) else None
        said += [str(one) for one in (issue.get("code"), text or issue.get("diagnostics")) if one]
    shown = " ".join(quoted(": ".join(dict.fromkeys(said))).split())
    return f"{shown[:_LONGEST]}…" if len(shown) > _LONGEST else shown


def got(answer: Exchange) -> str:
    """Return status and the server's own words, or what came instead."""
    body = answer.object()
    if answer.status == 200:
        return f"200 {body.get('resourceType') or answer.header('content-type') or 'without a body'}"
    return " ".join(part for part in (str(answer.status), words(answer)) if part)


def is_outcome(answer: Exchange) -> bool:
    """Return whether an answer is an OperationOutcome whose issues have codes."""
    issues = answer.list("issue")
    named = answer.object().get("resourceType") == "OperationOutcome"
    return named and bool(issues) and all(isinstance(one.get("code"), str) for one in issues or ())


def tells_insides(answer: Exchange) -> bool:
    """Return whether a body shows a stack trace or a database's error."""
    return _INSIDE.search(answer.body) is not None


def fails(answer: Exchange) -> bool:
    """Return whether the server itself fails: its answer says nothing about what was asked."""
    return answer.status >= 500 and answer.status != 501  # "not implemented" is an answer


def is_redirect(answer: Exchange) -> bool:
    """Return whether the answer sends the client elsewhere."""
    return 300 <= answer.status < 400 and answer.status != 304
