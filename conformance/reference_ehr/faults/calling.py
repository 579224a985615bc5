"""What faults of the EHR as a CDS client are made of: changes of a request, of its token, and repeats."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.reference_ehr.codec import encode
from conformance.reference_ehr.habits import Kind, Sending
from conformance.reference_ehr.refusals import Json
from fhir_adapters.survey.wanted import templates

Change = Callable[[Sending], Sending]
OTHER = "somebody-else"
NOTHING = "x"  # as an access token: opens nothing


def claims(*kinds: Kind, **changed: Callable[[Sending], Any] | str | int | None) -> Change:
    """Return what changes claims of the JWT; None takes one away."""

    def change(one: Sending) -> Sending:
        if (kinds and one.kind not in kinds) or one.claims is None:
            return one
        new = {name: value(one) if callable(value) else value for name, value in changed.items()}
        whole = {**one.claims, **new}
        return replace(one, claims={name: value for name, value in whole.items() if value is not None})

    return change


def head(**changed: Any) -> Change:
    """Return what changes the header of the JWT; None takes a field away."""
    return lambda one: replace(
        one, head={name: value for name, value in {**one.head, **changed}.items() if value is not None}
    )


def no_token(*kinds: Kind) -> Change:
    """Return what leaves the JWT out."""
    return lambda one: replace(one, claims=None) if one.kind in kinds else one


def body(edit: Callable[[Json], Any], kind: Kind = "call") -> Change:
    """Return what edits the body of a call or of feedback; it gets a deep copy."""

    def change(one: Sending) -> Sending:
        if one.kind != kind or not isinstance(one.body, dict):
            return one
        return replace(one, body=edit(copy(one.body)))  # pyright: ignore[reportUnknownMemberType]

    return change


def copy(value: Any) -> Any:
    """Return a copy of containers; leaves, decimals among them, stay as they are."""
    if isinstance(value, Mapping):
        return {name: copy(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return [copy(inner) for inner in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def fields(**new: Any) -> Change:
    """Return what sets fields of a call."""
    return body(lambda body: {**body, **new})


def context(**fields: Callable[[Any], Any] | str) -> Change:
    """Return what changes fields of the context that are there; a function gets the old value."""

    def edit(body: Json) -> Json:
        for name, value in fields.items():
            if name in body["context"] or name == "encounterId":
                body["context"][name] = value(body["context"].get(name)) if callable(value) else value
        return body

    return body(edit)


def orders(edit: Callable[[Json], None]) -> Change:
    """Return what changes every order of a context."""

    def change(body: Json) -> Json:
        for entry in body["context"].get("draftOrders", {}).get("entry", []):
            edit(entry["resource"])
        return body

    return body(change)


def lent(without: Sequence[str] = (), **fields: Any) -> Change:
    """Return what changes fhirAuthorization."""

    def edit(body: Json) -> Json:
        held = {**body["fhirAuthorization"], **fields}
        return {**body, "fhirAuthorization": {name: v for name, v in held.items() if name not in without}}

    return body(edit)


def prefetch(edit: Callable[[Json], None]) -> Change:
    """Return what changes the prefetch in its place."""

    def change(body: Json) -> Json:
        edit(body["prefetch"])
        return body

    return body(change)


def lists(edit: Callable[[Json], None]) -> Change:
    """Return what changes every list of the prefetch that holds something."""

    def change(prefetch: Json) -> None:
        for value in prefetch.values():
            if value.get("entry"):
                edit(value)

    return prefetch(change)


def items(edit: Callable[[Json], None]) -> Change:
    """Return what changes every item of feedback."""

    def change(body: Json) -> Json:
        for item in body["feedback"]:
            edit(item)
        return body

    return body(change, "feedback")


def overridden(reason: Json) -> Change:
    """Return what gives every override this reason."""
    return items(lambda item: item.update(overrideReason=reason) if item["outcome"] == "overridden" else None)


def unsigned(algorithm: str) -> Callable[[str], str]:
    """Return what says another algorithm and has no signature by it."""

    def sealed(token: str) -> str:
        head, claims, _ = token.split(".")
        changed = {**json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), "alg": algorithm}
        encoded = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
        return f"{encoded}.{claims}." + ("" if algorithm == "none" else "eA")

    return sealed


def forged(token: str) -> str:
    """Change the last claim's bytes after signing: the signature is of other ones."""
    head, claims, signature = token.split(".")
    held = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps({**held, "jti": held["jti"][::-1]}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def typed_in() -> Sequence[Mapping[str, Any]]:
    """Return the first service as a person would type it in."""
    prefetch = {one.key: one.template for one in templates()}
    return [{"id": "psychotropic-options", "hook": "patient-view", "prefetch": prefetch}]


def stale(bundle: Json) -> None:
    """Give every resource a version that is not the present one."""
    for entry in bundle["entry"]:
        entry["resource"]["meta"] = {**entry["resource"].get("meta", {}), "versionId": "0"}


def foreign(bundle: Json) -> None:
    """Make the first resource of a list somebody else's."""
    resource = bundle["entry"][0]["resource"]
    for name in ("subject", "patient"):
        if name in resource:
            resource[name] = {"reference": f"Patient/{OTHER}"}


def drop(bundle: Json) -> None:
    """Take the last resource out of a list."""
    bundle["entry"].pop()
    bundle["total"] = len(bundle["entry"])


def failed(key: str) -> Change:
    """Return what sends an OperationOutcome for a key."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    return prefetch(lambda prefetch: prefetch.update({key: outcome}))


def again(wait: float, statuses: Sequence[int], most: int) -> Callable[[int, int, float | None], float | None]:
    """Return what repeats a request after these statuses, without a look at Retry-After."""
    return lambda status, times, _: wait if status in statuses and times <= most else None


def stubborn(status: int) -> Callable[[int, int, float | None], float | None]:
    """Return what repeats a request once after this status."""
    return again(0.0, (status,), 1)


def raw(body: Json) -> bytes:
    """Return the body with a name that stands twice in it."""
    return encode(body)[:-1] + b',"hook":"patient-view"}'
