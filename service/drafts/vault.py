"""Encryption at rest: what a store keeps of a patient is sealed by a key of the tenant, bound to its record.

Each tenant has data keys of its own (AES-256-GCM; the associated data is the record's id and the field). They are
kept in the store, wrapped by a key that is not: the first key of ``store.key_file``, or of the environment. Where a
record is found by its patient, the reference is sealed by AES-SIV, under which equal texts stay equal.
"""

import base64
import binascii
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from service.errors import ConfigError, ServiceError

# The variable that may hold what the key file would.
KEYS_VARIABLE: Final = "UNDERSIGN_STORE_KEYS"
# The owner of the key by which patients are found; it is wrapped anew like the others, and never replaced.
FINDING: Final = "*"
# The owner of the key of what is of no tenant, but of the whole service.
SERVICE: Final = ""
_MAGIC, _TEXT, _FIXED = b"\x01us1", "us1:", "usf1:"
_NONCE, _KEY_ID = 12, 8


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as the store keeps it; the highest ``serial`` of a tenant is the one in use."""

    id: str
    tenant: str
    serial: int
    master: str
    wrapped: bytes


def masters(key_file: Path | None) -> Mapping[str, bytes] | None:
    """Return the wrapping keys by name, the one in use first; None where none is configured.

    ConfigError U-STORE-KEY for a file or variable that cannot be read, is open to others, or holds no keys of 32 bytes
    (lines ``name base64``).
    """
    text = os.environ.get(KEYS_VARIABLE)
    if key_file is not None:
        text = _read(key_file)
    if text is None:
        return None
    found: dict[str, bytes] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, encoded = line.partition(" ")
        try:
            found[name] = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error as error:
            raise _refuse("a key is not base64") from error
    if not found or any(len(key) != 32 for key in found.values()):
        raise _refuse("write lines of a name and 32 random bytes in base64")
    return found


class Vault:
    """Seals and opens; ``load`` gives it the data keys of the store."""

    def __init__(self, wrapping: Mapping[str, bytes], tenants: Iterable[str]) -> None:
        self._wrapping = wrapping
        self._tenants = (FINDING, SERVICE, *dict.fromkeys(tenants))
        self._keys: dict[str, bytes] = {}
        self._kept: dict[str, DataKey] = {}
        self._current: dict[str, DataKey] = {}
        # How to read the store's data keys again, where that can be done in the middle of opening a value.
        self.refetch: Callable[[], Iterable[DataKey]] | None = None

    def load(self, kept: Iterable[DataKey]) -> None:
        """Take over the store's data keys; ConfigError U-STORE-KEY where one was wrapped by a key that is not here."""
        for one in sorted(kept, key=lambda key: key.serial):
            self._keys[one.id] = self._unwrap(one)
            self._kept[one.id] = one
            self._current[one.tenant] = one

    def missing(self) -> Sequence[DataKey]:
        """Return new data keys for the tenants that have none."""
        return [self._made(tenant, 1) for tenant in self._tenants if tenant not in self._current]

    def renewed(self) -> Sequence[DataKey]:
        """Return all data keys wrapped by the key in use now, and a new one for each tenant."""
        wrapped = [self._wrap(one.id, one.tenant, one.serial, self._keys[one.id]) for one in self._kept.values()]
        new = [self._made(one.tenant, one.serial + 1) for one in self._current.values() if one.tenant != FINDING]
        return [*wrapped, *new]

    def knows(self, value: bytes | str) -> bool:
        """Say whether a value can be opened by the keys that were loaded: another worker may have made new ones."""
        raw = _raw(value)
        return raw is None or raw[:_KEY_ID].hex() in self._keys

    def seal(self, tenant: str, place: str, value: bytes) -> bytes:
        """Return a value sealed for its place (``id:field``); ServiceError U-STORE-KEY for a tenant without a key."""
        used = self._current.get(tenant)
        if used is None:
            raise ServiceError("U-STORE-KEY", "a tenant has no key in the store; start the service with its settings")
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._keys[used.id]).encrypt(nonce, value, place.encode())
        return _MAGIC + bytes.fromhex(used.id) + nonce + sealed

    def unseal(self, place: str, value: bytes) -> bytes:
        """Return what was sealed; a value from before there were keys as it is. ServiceError U-STORE-SEAL."""
        if not value.startswith(_MAGIC):
            return value
        raw = value[len(_MAGIC) :]
        name = raw[:_KEY_ID].hex()
        if name not in self._keys and self.refetch is not None:
            self.load(self.refetch())
        key = self._keys.get(name)
        if key is None:
            raise _broken()
        nonce, sealed = raw[_KEY_ID : _KEY_ID + _NONCE], raw[_KEY_ID + _NONCE :]
        try:
            return AESGCM(key).decrypt(nonce, sealed, place.encode())
        except (InvalidTag, ValueError) as error:
            raise _broken() from error

    def seal_text(self, tenant: str, place: str, value: str) -> str:
        """Return a text sealed as a text."""
        return _TEXT + base64.b64encode(self.seal(tenant, place, value.encode())).decode()

    def unseal_text(self, place: str, value: str) -> str:
        """Return the text that was sealed."""
        return self.unseal(place, _decoded(value, _TEXT)).decode() if value.startswith(_TEXT) else value

    def stale(self, value: bytes | str) -> bool:
        """Say whether a value is sealed under a data key that its tenant has replaced."""
        raw = _raw(value)
        key = None if raw is None else self._kept.get(raw[:_KEY_ID].hex())
        return key is not None and self._current[key.tenant].id != key.id

    def resealed(self, place: str, value: bytes | str) -> bytes | str:
        """Return a value sealed under its tenant's data key in use; ServiceError U-STORE-SEAL."""
        raw = _raw(value)
        if raw is None:
            return value
        tenant = self._kept[raw[:_KEY_ID].hex()].tenant
        if isinstance(value, str):
            return self.seal_text(tenant, place, self.unseal_text(place, value))
        return self.seal(tenant, place, self.unseal(place, value))

    def fixed(self, value: str) -> str:
        """Return a text sealed so that equal texts are equal: to find by it, nothing else."""
        return _FIXED + base64.b64encode(self._finder().encrypt(value.encode(), None)).decode()

    def unfixed(self, value: str) -> str:
        """Return the text that ``fixed`` sealed."""
        if not value.startswith(_FIXED):
            return value
        try:
            return self._finder().decrypt(_decoded(value, _FIXED), None).decode()
        except (InvalidTag, ValueError) as error:
            raise _broken() from error

    def _finder(self) -> AESSIV:
        return AESSIV(self._keys[self._current[FINDING].id])

    def _made(self, tenant: str, serial: int) -> DataKey:
        key = AESSIV.generate_key(512) if tenant == FINDING else AESGCM.generate_key(256)
        return self._wrap(os.urandom(_KEY_ID).hex(), tenant, serial, key)

    def _wrap(self, identity: str, tenant: str, serial: int, key: bytes) -> DataKey:
        name, wrapping = next(iter(self._wrapping.items()))
        nonce = os.urandom(_NONCE)
        wrapped = nonce + AESGCM(wrapping).encrypt(nonce, key, f"{identity}:{tenant}".encode())
        return DataKey(identity, tenant, serial, name, wrapped)

    def _unwrap(self, one: DataKey) -> bytes:
        wrapping = self._wrapping.get(one.master)
        if wrapping is None:
            raise _refuse(f"the store was sealed under the key {one.master}, which is not there")
        try:
            return AESGCM(wrapping).decrypt(
                one.wrapped[:_NONCE], one.wrapped[_NONCE:], f"{one.id}:{one.tenant}".encode()
            )
        except (InvalidTag, ValueError) as error:
            raise _refuse(f"the key {one.master} is another than the one that the store was sealed under") from error


def _raw(value: bytes | str) -> bytes | None:
    if isinstance(value, str):
        value = _decoded(value, _TEXT) if value.startswith(_TEXT) else b""
    return value[len(_MAGIC) :] if value.startswith(_MAGIC) else None


def _decoded(value: str, prefix: str) -> bytes:
    text = value.removeprefix(prefix)
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _broken() from error
    if base64.b64encode(raw).decode() != text:
        raise _broken()
    return raw


def _read(path: Path) -> str:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise _refuse("the file must be this user's own, mode 0600")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refuse("the file cannot be read") from error


def _refuse(what: str) -> ConfigError:
    return ConfigError("U-STORE-KEY", f"store.key_file or {KEYS_VARIABLE}: {what}")


def _broken() -> ServiceError:
    return ServiceError("U-STORE-SEAL", "a sealed record cannot be opened; look at it with undersign audit verify")
