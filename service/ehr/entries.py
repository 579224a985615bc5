"""What the pages of a search hold: its resources, never an error for nothing.

A server may say inside a Bundle, with 200, that it could not look: http://hl7.org/fhir/R4/search.html#errors. Where
"there is none" lets an order be written or signed, that must not be read as none.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from service.ehr.readback import read_resource
from service.errors import EhrFailed

_FAILED: Final = ("fatal", "error")
# Codes of issue-type that say of a warning that something was not looked through.
_PARTIAL: Final = ("incomplete", "timeout", "throttled", "too-costly")


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()


class _Page(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


def resources(pages: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return every resource of the pages; EhrFailed U-EHR-ANSWER for what cannot be read, or says that it failed."""
    found: list[dict[str, Any]] = []
    for page in pages:
        try:
            entries = msgspec.json.decode(page, type=_Page).entry
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EhrFailed("U-EHR-ANSWER", "The EHR's search answer cannot be read.") from error
        found += [read_resource(bytes(entry.resource)) for entry in entries if entry.resource]
    if any(map(_says_failed, found)):
        raise EhrFailed("U-EHR-ANSWER", "The EHR says in its search answer that it could not look; ask its operators.")
    return found


def of_kind(pages: Iterable[bytes], kind: str) -> list[dict[str, Any]]:
    """Return the resources of a type that have an id; errors as ``resources``."""
    return [one for one in resources(pages) if one.get("resourceType") == kind and isinstance(one.get("id"), str)]


def _says_failed(resource: Mapping[str, Any]) -> bool:
    if resource.get("resourceType") != "OperationOutcome":
        return False
    listed = resource.get("issue")
    issues = cast("list[object]", listed) if isinstance(listed, list) else []
    known = [cast("dict[str, Any]", one) for one in issues if isinstance(one, dict)]
    return any(one.get("severity") in _FAILED or one.get("code") in _PARTIAL for one in known)
