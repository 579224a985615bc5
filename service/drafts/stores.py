"""Which store the settings ask for."""

from service.drafts import vault
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.drafts.vault import Vault
from service.settings import Settings

AnyStore = SqliteStore | RedisStore


def of(settings: Settings) -> AnyStore:
    """Return the store of ``store.url``, not yet opened; ConfigError U-STORE-KEY."""
    found = settings.store
    if settings.store_is_file:
        return SqliteStore(settings.store_path, vault=sealing(settings))
    return RedisStore(found.url, found.receipts, found.replicas, vault=sealing(settings))


def sealing(settings: Settings) -> Vault | None:
    """Return the vault of the settings' keys and tenants, None where there are no keys; ConfigError U-STORE-KEY."""
    wrapping = vault.masters(settings.store.key_file)
    return Vault(wrapping, (ehr.id for ehr in settings.ehr)) if wrapping else None
