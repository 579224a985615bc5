"""Whether what an EHR holds may be an earlier attempt of ours that lost its identifier.

Servers drop identifiers, and write times in another form or set their own, so no one element tells it: what was
written of the same patient, for the same drug, since ours was signed may be it. In doubt it is: a person looks.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, cast

from service.ehr.readback import same_reference

_WRITTEN: Final = ("authoredOn", "date")
# Clocks of two systems.
_SKEW: Final = timedelta(minutes=5)


def may_be(ours: Mapping[str, Any], held: Mapping[str, Any], fhir_base: str) -> bool:
    """Say whether ``held`` may be ``ours``, an order or a document, as the EHR at ``fhir_base`` has it."""
    if not same_reference(ours["subject"], held.get("subject"), fhir_base) or _is_another_of_ours(ours, held):
        return False
    signed, written = _moment(ours), _moment(held)
    return _same_second(signed, written) or (not _is_before(held, signed) and _may_be_of_it(ours, held, fhir_base))


def _same_second(signed: datetime | date | None, written: datetime | date | None) -> bool:
    if not (isinstance(signed, datetime) and isinstance(written, datetime)):
        return False
    return signed.replace(microsecond=0) == written.replace(microsecond=0)


def _is_another_of_ours(ours: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Say whether it carries another identifier that we gave."""
    own = {one.get("system"): one.get("value") for one in _objects(ours.get("identifier"))}
    return any(
        one.get("value") != own.get(str(one.get("system")), one.get("value"))
        for one in _objects(held.get("identifier"))
    )


def _moment(resource: Mapping[str, Any]) -> datetime | date | None:
    """Return when it was written: in UTC, the day alone where no zone is told, None without either."""
    told = next((resource[name] for name in _WRITTEN if name in resource), None)
    return _read(told)


def _read(told: object) -> datetime | date | None:
    try:
        found = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    return found.date() if found.tzinfo is None else found.astimezone(UTC)


def _is_before(held: Mapping[str, Any], signed: datetime | date | None) -> bool:
    """Say whether it certainly was there before ours was signed; the day before may be that day elsewhere."""
    meta = held.get("meta")
    changed = cast("dict[str, Any]", meta).get("lastUpdated") if isinstance(meta, dict) else None
    written = _moment(held) or _read(changed)
    if not isinstance(signed, datetime) or written is None:
        return False
    if isinstance(written, datetime):
        return written < signed - _SKEW
    return written < signed.date() - timedelta(days=1)


def _may_be_of_it(ours: Mapping[str, Any], held: Mapping[str, Any], fhir_base: str) -> bool:
    """Say whether drug, or description of a document, may be the same; in other codes, where the requester may be."""
    if "description" in ours:
        return held.get("description") in (ours["description"], None)
    mine, theirs = _codes(ours), _codes(held)
    common = {system for system, _ in mine} & {system for system, _ in theirs}
    if common:
        return bool(mine & theirs)
    requester = held.get("requester")
    return requester is None or same_reference(ours.get("requester"), requester, fhir_base)


def _codes(order: Mapping[str, Any]) -> set[tuple[object, object]]:
    concept = order.get("medicationCodeableConcept")
    codings = _objects(cast("dict[str, Any]", concept).get("coding")) if isinstance(concept, dict) else []
    return {(str(one.get("system")), str(one.get("code"))) for one in codings}


def _objects(listed: object) -> list[dict[str, Any]]:
    items = cast("list[object]", listed) if isinstance(listed, list) else []
    return [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]
