"""The public keys of an EHR that calls the hooks: from a file or one configured URL, cached."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from service.ehr import addresses, trust
from service.errors import ConfigError, Unavailable
from service.settings import CdsClient

PublicKey = ECKey | RSAKey
_FRESH_S = 600
_REFETCH_S = 10  # an unknown kid fetches again, but a flood of them does not flood the EHR
_LASTS_S = 86_400  # without an answer of the key URL: a key that was withdrawn there must end here some day
_PAUSE_S = 2  # after a fetch that gave no key at all: calls that waited for it do not each wait for one more
_MAX_BYTES = 256_000
_MIN_RSA_BITS = 2048  # NIST SP 800-131A Rev. 2, table 2


class ClientKeys:
    """One tenant's keys by ``kid``. They are fetched when first needed and kept for ten minutes."""

    def __init__(
        self, client: CdsClient, clock: Callable[[], float] = time.monotonic, ca_file: Path | None = None
    ) -> None:
        self._trusted = trust.context(ca_file)
        self._client = client
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._at: float | None = None
        self._read_at = 0.0
        self._failed: float | None = None
        self._lock = asyncio.Lock()

    def check(self) -> None:
        """Read a key file now; raises ConfigError U-CONFIG-FILE when it cannot be used."""
        if self._client.jwks_file is None:
            return
        try:
            self._keys = read_keys(self._client.jwks_file.read_bytes())
            self._at = self._read_at = self._clock()
        except (OSError, ValueError) as error:
            message = f"{self._client.jwks_file}: not a readable JWK Set; see ehr.cds_client.jwks_file"
            raise ConfigError("U-CONFIG-FILE", message) from error

    async def find(self, kid: str) -> PublicKey | None:
        """Return the key of that id, None for an unknown one; Unavailable U-CDS-KEYS when none can be had.

        A known key is not kept waiting by a fetch that an unknown one has set off.
        """
        if kid in self._keys and not self._stale(_FRESH_S):
            return self._keys[kid]
        async with self._lock:
            if self._failed is not None and self._clock() - self._failed < _PAUSE_S:
                raise _unavailable()
            if self._stale(_FRESH_S) or (kid not in self._keys and self._stale(_REFETCH_S)):
                await self._refresh()
        return self._keys.get(kid)

    def _stale(self, seconds: float) -> bool:
        return self._at is None or self._clock() - self._at > seconds

    async def _refresh(self) -> None:
        try:
            keys = read_keys(await self._fetch())
        except (OSError, ValueError, httpx.HTTPError, TimeoutError) as error:
            # The EHR's key server is down: the keys that were good stay so until it is back, for a day at most.
            if self._keys and self._clock() - self._read_at < _LASTS_S:
                self._at = self._clock()
                return
            self._failed = self._clock()
            raise _unavailable() from error
        self._keys, self._failed = keys, None
        self._at = self._read_at = self._clock()

    async def _fetch(self) -> bytes:
        if self._client.jwks_url is None:
            return self._client.jwks_file.read_bytes() if self._client.jwks_file else b"{}"
        url = httpx.URL(self._client.jwks_url)
        checked = {"trace": addresses.guard(url.host)}
        async with (
            asyncio.timeout(3),
            httpx.AsyncClient(verify=self._trusted, trust_env=False, follow_redirects=False) as http,
            http.stream("GET", url, extensions=checked) as response,
        ):
            if response.status_code != 200:
                raise ValueError("the key URL did not answer 200")
            found = bytearray()
            async for chunk in response.aiter_bytes():
                found += chunk
                if len(found) > _MAX_BYTES:
                    raise ValueError("the key set is too large")
            return bytes(found)


def _unavailable() -> Unavailable:
    return Unavailable("U-CDS-KEYS", "the EHR's keys cannot be read at the moment; try again")


class _Jwks(msgspec.Struct):
    keys: list[dict[str, object]]


def read_keys(raw: bytes) -> dict[str, PublicKey]:
    """Return the EC and RSA keys of a JWK Set by ``kid``; others are passed over. Raises ValueError."""
    found: dict[str, PublicKey] = {}
    for entry in msgspec.json.decode(raw, type=_Jwks).keys:
        kid = entry.get("kid")
        if isinstance(kid, str) and (key := _key(entry)) is not None:
            found[kid] = key
    if not found:
        raise ValueError("no usable key")
    return found


def _key(entry: dict[str, object]) -> PublicKey | None:
    if entry.get("kty") not in ("EC", "RSA"):  # a symmetric key is no proof of who signed
        return None
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}
    try:
        key = JWKRegistry.import_key(public)  # pyright: ignore[reportArgumentType]
    except (JoseError, ValueError):
        return None
    if isinstance(key, RSAKey) and key.public_key.key_size < _MIN_RSA_BITS:
        return None
    return key if isinstance(key, ECKey | RSAKey) else None
