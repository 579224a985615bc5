"""What was in an envelope: resources read quickly, in batches, and resources left unread for the careful way."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fhir_adapters.errors import InputError
from fhir_adapters.reading.quick import Batch
from fhir_adapters.reading.shapes import Issue, Outcome

MAX_ENTRIES = 2000
MATCHES = (None, "match")  # of Bundle.entry.search.mode: what the search was for, not what it included
SEARCHES = (None, "searchset")  # of Bundle.type: clients leave it out of what they searched for
_HARMLESS = frozenset({"information", "success"})
# http://hl7.org/fhir/R4/valueset-issue-type.html: content may be held back, however mild the severity.
_HELD_BACK = frozenset({"suppressed", "incomplete"})


class Entry(NamedTuple):
    """One resource, unread. ``incomplete`` when the Bundle that it came in says that more exists."""

    kind: str
    raw: bytes
    head: Mapping[str, msgspec.Raw]
    full_url: str | None = None
    incomplete: bool = False


class Opened(msgspec.Struct):
    """What was in the envelope; ``untyped`` counts entries that name no resource type."""

    entries: list[Entry] = msgspec.field(default_factory=list[Entry])
    batches: list[Batch] = msgspec.field(default_factory=list[Batch])
    incomplete: bool = False
    outcome: bool = False  # an OperationOutcome stands in place of the content
    failed: bool = False  # and it says that something is wrong
    untyped: int = 0
    places: int = 0
    limit: int = MAX_ENTRIES
    notices: frozenset[str] = frozenset()  # codes of notices that an EHR puts behind every answer
    noticed: set[str] = msgspec.field(default_factory=set[str])

    def count(self) -> int:
        """Return how many resources there are."""
        return len(self.entries) + sum(batch.size() for batch in self.batches)

    def kinds(self) -> set[str]:
        """Return the names of the types of the resources."""
        return {one.kind for one in self.entries} | {one.__name__ for batch in self.batches for one in batch.groups}


def too_many() -> InputError:
    """Return the error that an input holds more than one patient's record can."""
    return InputError("U-FHIR-ENTRIES", f"more than {MAX_ENTRIES} entries; send one patient's current data only")


def count(opened: Opened, places: int) -> None:
    """Count entries; InputError U-FHIR-ENTRIES when there are more than the limit."""
    opened.places += places
    if opened.places > opened.limit:
        raise too_many()


def is_next(relation: str | None) -> bool:
    """Say whether a link leads to the next page; relations have no case (RFC 8288 §2.1)."""
    return (relation or "").strip().lower() == "next"


def is_wrong(outcome: Outcome, opened: Opened) -> bool:
    """True unless it has issues, all mere information or notices that the profile knows; those are kept in mind."""
    return not outcome.issue or any(_tells(issue, opened) for issue in outcome.issue)


def _tells(issue: Issue, opened: Opened) -> bool:
    if issue.severity in _HARMLESS and issue.code not in _HELD_BACK:
        return False
    told = {one.code for one in issue.details.coding if one.code} if issue.details else set[str]()
    standing = told & opened.notices if issue.severity == "warning" and issue.code not in _HELD_BACK else set[str]()
    opened.noticed |= standing
    return not standing
