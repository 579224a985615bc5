"""A backend service's token: the request as it should be, and each way in which it may be wrong."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.survey import wanted

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE_S = 240  # the standard allows five minutes; clocks differ
LOCAL = ("127.0.0.1", "::1", "localhost")
_V1 = {"rs": "read", "crus": "*"}
_WRITTEN = ("MedicationRequest", "Provenance")


@dataclass(frozen=True, slots=True)
class Backend:
    """A registered client: its id and private key (ES384 or RS384)."""

    id: str
    key: "ECKey | RSAKey"
    algorithm: str


def scopes(profile: Profile, more: Sequence[str] = (), *, write: bool = False, old: bool = False) -> tuple[str, ...]:
    """Return the scopes for what the templates read in a dialect, and ``more`` types; ``old`` in SMART 1's spelling."""
    kinds: dict[str, str] = {}
    for template in wanted.templates():
        kind = template.template.partition("?")[0].partition("/")[0]
        search = profile.searching(kind)
        if search.supported:
            kinds[search.type or kind] = "rs"
    kinds |= dict.fromkeys(("Medication", *more), "rs")
    if write:
        kinds |= {"Practitioner": "rs", **dict.fromkeys(_WRITTEN, "crus")}
    return tuple(f"system/{kind}.{_V1[letters] if old else letters}" for kind, letters in kinds.items())


def is_v1(listed: Any) -> bool:
    """Return whether a list of scopes is in SMART 1's spelling only."""
    words = [str(one) for one in cast("list[Any]", listed)] if isinstance(listed, list) else []
    resources = [one.rpartition(".")[2] for one in words if "/" in one and "." in one]
    return bool(resources) and all(one in ("read", "write", "*") for one in resources)


def is_safe(address: str) -> bool:
    """Return whether an address is absolute and over TLS, or on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)


def assertion(client: Backend, audience: str, at: datetime, **change: Any) -> str:
    """Return a signed client assertion of this instant; ``change`` alters claims."""
    now = int(at.timestamp())
    claims = {"iss": client.id, "sub": client.id, "aud": audience, "iat": now, "exp": now + _LIFE_S}
    header = {"alg": client.algorithm, "typ": "JWT", "kid": client.key.kid}
    whole = {**claims, "jti": str(uuid.uuid4()), **change}
    from joserfc import jwt  # a tenth of a second that a run without a key does not need

    return jwt.encode(header, whole, client.key, algorithms=[client.algorithm])


def forged(token: str) -> str:
    """Return the assertion with one claim changed after it was signed."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "iat": claims["iat"] - 1}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def covered(scope: str, held: Sequence[str]) -> bool:
    """Return whether a scope is in a list, by itself or under a wider one; both spellings."""
    kind, letters = _scope(scope)
    wide = [_scope(one) for one in held if one.startswith("system/")]
    found = frozenset[str]().union(*(has for name, has in wide if name in (kind, "*")))
    return letters <= found


def _scope(scope: str) -> tuple[str, frozenset[str]]:
    kind, _, letters = scope.removeprefix("system/").partition("?")[0].rpartition(".")
    spelled = {"read": "rs", "write": "cud", "*": "cruds"}.get(letters, letters)
    return kind, frozenset(spelled)
