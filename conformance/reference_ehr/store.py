"""The EHR's record: versioned resources in memory, with ids, history and a snapshot for transactions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from conformance.reference_ehr.refusals import Json, Refusal, not_found

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource; ``body`` holds it with its id and meta."""

    type: str
    id: str
    number: int
    updated: datetime
    body: Json

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"

    @property
    def etag(self) -> str:
        """The weak entity tag of http://hl7.org/fhir/R4/http.html#concurrency."""
        return f'W/"{self.number}"'


class Store:
    """All resources, oldest first. Callers do not change the bodies that they get."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._versions: dict[str, tuple[Version, ...]] = {}

    def create(self, body: Json, resource_id: str | None = None) -> Version:
        """Store a new resource under a new id (or the given one, for seeds and transactions)."""
        resource_id = resource_id or str(uuid4())
        reference = f"{body['resourceType']}/{resource_id}"
        if reference in self._versions:
            raise Refusal(409, "duplicate", "U-REF-DUPLICATE", "That id is taken.")
        return self._append(reference, body, 1)

    def update(self, reference: str, body: Json, if_match: str | None) -> Version:
        """Store the next version when ``if_match`` names the present one (R4 http.html#concurrency)."""
        present = self.find(reference)
        if present is None:
            raise Refusal(405, "not-supported", "U-REF-CLIENT-ID", "This EHR gives the ids: create with POST.")
        if if_match is None:
            raise Refusal(428, "required", "U-REF-IF-MATCH", "An update needs If-Match with the version read.")
        if if_match != present.etag:
            raise Refusal(412, "conflict", "U-REF-VERSION", "The resource has moved on: read it again.")
        return self._append(reference, body, present.number + 1)

    def find(self, reference: str) -> Version | None:
        """Return the present version of ``Type/id``, if there is one."""
        versions = self._versions.get(reference)
        return versions[-1] if versions else None

    def read(self, reference: str) -> Version:
        """Return the present version of ``Type/id``, or refuse with 404."""
        return self.history(reference)[-1]

    def read_version(self, reference: str, number: str) -> Version:
        """Return one version of ``Type/id``, or refuse with 404."""
        for version in self.history(reference):
            if str(version.number) == number:
                return version
        raise not_found("version")

    def history(self, reference: str) -> tuple[Version, ...]:
        """Return all versions of ``Type/id``, oldest first, or refuse with 404."""
        if reference not in self._versions:
            raise not_found(reference.partition("/")[0])
        return self._versions[reference]

    def all(self, resource_type: str) -> list[Version]:
        """Return the present versions of one type in the order in which they were created."""
        return [versions[-1] for versions in self._versions.values() if versions[-1].type == resource_type]

    def everything(self) -> list[Version]:
        """Return the present versions of all resources in the order in which they were created."""
        return [versions[-1] for versions in self._versions.values()]

    def snapshot(self) -> Mapping[str, tuple[Version, ...]]:
        """Return what ``restore`` takes: the whole record as it is now."""
        return dict(self._versions)

    def restore(self, snapshot: Mapping[str, tuple[Version, ...]]) -> None:
        """Go back to a snapshot: nothing of a failed transaction stays."""
        self._versions = dict(snapshot)

    def _append(self, reference: str, body: Json, number: int) -> Version:
        resource_type, _, resource_id = reference.partition("/")
        now = self.clock()
        stamp = {"versionId": str(number), "lastUpdated": now.isoformat(timespec="milliseconds")}
        whole: Json = {**body, "id": resource_id, "meta": {**body.get("meta", {}), **stamp}}
        version = Version(resource_type, resource_id, number, now, whole)
        self._versions[reference] = (*self._versions.get(reference, ()), version)
        return version
