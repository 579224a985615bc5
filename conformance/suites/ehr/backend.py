"""A backend service's token: the request as it should be, and each way in which it may be wrong."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from conformance.checks import Untested
from conformance.exchanges import Exchange
from fhir_adapters.survey import wanted

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    from conformance.suites.ehr.probe import Probe

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE_S = 240  # the standard allows five minutes; clocks differ
_V1 = {"rs": "read", "crus": "*"}
_WRITTEN = ("MedicationRequest", "Provenance")


@dataclass(frozen=True, slots=True)
class Backend:
    """A registered client: its id and private key (ES384 or RS384)."""

    id: str
    key: "ECKey | RSAKey"
    algorithm: str


async def scopes(probe: "Probe") -> tuple[str, ...]:
    """Return the scopes that this run asks for, in the spelling that the EHR lists."""
    profile = await probe.profile()
    kinds: dict[str, str] = {}
    for template in wanted.templates():
        kind = template.template.partition("?")[0].partition("/")[0]
        search = profile.searching(kind)
        if search.supported:
            kinds[search.type or kind] = "rs"
    kinds |= dict.fromkeys(("Medication", *probe.access.more), "rs")
    if probe.access.write:
        kinds |= {"Practitioner": "rs", **dict.fromkeys(_WRITTEN, "crus")}
    old = await is_v1(probe)
    return tuple(f"system/{kind}.{_V1[letters] if old else letters}" for kind, letters in kinds.items())


async def is_v1(probe: "Probe") -> bool:
    """Return whether the EHR lists scopes in SMART 1's spelling only."""
    try:
        _, found = await probe.configuration()
    except Untested:
        return False
    listed: Any = found.get("scopes_supported")
    words = [str(one) for one in listed] if isinstance(listed, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    resources = [one.rpartition(".")[2] for one in words if "/" in one and "." in one]
    return bool(resources) and all(one in ("read", "write", "*") for one in resources)


async def endpoint(probe: "Probe") -> str:
    """Return the address of the token endpoint; Untested where the configuration names none."""
    answer, found = await probe.configuration()
    address = found.get("token_endpoint")
    if not isinstance(address, str) or "://" not in address:
        raise Untested("the SMART configuration names no token endpoint", (answer.number,))
    return address


async def ask(probe: "Probe", **change: Any) -> Exchange:
    """Send a token request, good but for ``change``.

    ``grant_type``, ``assertion_type``, ``scope`` and ``assertion`` replace what the form holds; anything else is a
    claim of the assertion. Untested without a key.
    """
    if probe.access.backend is None:
        raise Untested("no client was given (--client-id and --key), so the token endpoint was not tried")
    address = await endpoint(probe)
    form = {
        "grant_type": change.pop("grant_type", "client_credentials"),
        "client_assertion_type": change.pop("assertion_type", ASSERTION_TYPE),
        "scope": change.pop("scope", None) or " ".join(await scopes(probe)),
        "client_assertion": change.pop("assertion", None) or assertion(probe, address, **change),
    }
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return await probe.session.send("POST", address, headers=headers, body=urlencode(form).encode(), token=False)


def assertion(probe: "Probe", audience: str, **change: Any) -> str:
    """Return a signed client assertion; ``change`` alters claims."""
    client = probe.access.backend
    if client is None:
        raise Untested("no client was given (--client-id and --key)")
    now = int(probe.clock().timestamp())
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
