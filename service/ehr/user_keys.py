"""The public keys that sign the access tokens of one EHR's users: from a file, or from its ``jwks_uri``."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from service.errors import ConfigError, EhrFailed
from service.settings import Ehr, Settings

KEEP_S = 600.0
# An unknown kid asks for a fresh set; made-up kids must not become a stream of requests to the EHR.
REFRESH_AT_MOST_EVERY_S = 10.0


class UserKeys:
    """A key set kept for ten minutes."""

    def __init__(self, ehr: Ehr, settings: Settings, fetch: Callable[[], Awaitable[bytes]]) -> None:
        self._file: Path | None = settings.base / ehr.users.jwks_file if ehr.users.jwks_file else None
        self._fetch = fetch
        self._kept: tuple[float, KeySet] | None = None
        if self._file is not None:  # a wrong path stops the start, not the first signature
            self._kept = (time.monotonic(), _from_file(self._file))

    async def get(self, *, refresh: bool = False) -> KeySet:
        """Return the keys; EhrFailed U-EHR-SMART or ConfigError U-CONFIG-FILE when they cannot be read."""
        limit = REFRESH_AT_MOST_EVERY_S if refresh else KEEP_S
        if self._kept is None or time.monotonic() - self._kept[0] > limit:
            self._kept = (time.monotonic(), await self._load())
        return self._kept[1]

    async def _load(self) -> KeySet:
        if self._file is not None:
            return _from_file(self._file)
        try:
            return _parse(await self._fetch())
        except (msgspec.DecodeError, JoseError, ValueError, TypeError, KeyError) as error:
            raise EhrFailed("U-EHR-SMART", "The EHR's key set cannot be read; ask its operators.") from error


def _from_file(path: Path) -> KeySet:
    try:
        return _parse(path.read_bytes())
    except (OSError, msgspec.DecodeError, JoseError, ValueError, TypeError, KeyError) as error:
        raise ConfigError("U-CONFIG-FILE", "ehr.users.jwks_file is not a readable JWK set.") from error


def _parse(raw: bytes) -> KeySet:
    return KeySet.import_key_set(msgspec.json.decode(raw))
