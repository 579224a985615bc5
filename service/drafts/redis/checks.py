"""What a Redis server must be before a draft is held in it; anything less is refused at start."""

from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from service.errors import ConfigError, Unavailable

OLDEST: Final = (6, 2)
_WANTED: Final = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "min-replicas-to-write")


async def check(node: Any, replicas: int) -> None:
    """Raise ConfigError where the server could lose or evict what it acknowledged.

    U-STORE-REDIS (older than 6.2), U-STORE-AOF, U-STORE-EVICTION, U-STORE-REPLICAS, U-STORE-RIGHTS (its settings
    cannot be read); Unavailable U-STORE-READONLY for a replica.
    """
    about: Mapping[str, Any] = await node.execute_command("INFO")
    if _version(str(about["redis_version"])) < OLDEST:
        raise ConfigError("U-STORE-REDIS", f"this Redis is {about['redis_version']}; use 6.2 or newer")
    if about["role"] != "master":
        raise Unavailable("U-STORE-READONLY", "this Redis is a replica; point store.url at the primary")
    settings = await _settings(node)
    _check_durable(settings)
    if settings["maxmemory-policy"] != "noeviction":
        raise ConfigError("U-STORE-EVICTION", "Redis may evict drafts; set its maxmemory-policy to noeviction")
    if int(settings["min-replicas-to-write"]) < replicas:
        raise ConfigError("U-STORE-REPLICAS", f"set min-replicas-to-write of Redis to {replicas}, as store.replicas")
    if about["connected_slaves"] and not replicas:
        raise ConfigError("U-STORE-REPLICAS", "Redis has replicas; set store.replicas to how many must have a commit")


def _check_durable(settings: Mapping[str, str]) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
    for name, value in wanted.items():
        if settings[name] != value:
            raise ConfigError("U-STORE-AOF", f"Redis could lose what it acknowledged; set its {name} to {value}")


async def _settings(node: Any) -> Mapping[str, str]:
    try:
        # One name a call: servers before 7.0 take no more.
        found = [await node.execute_command("CONFIG GET", name) for name in _WANTED]
    except (NoPermissionError, ResponseError) as error:
        msg = "Redis does not tell its settings; give the user of store.url the right +config|get"
        raise ConfigError("U-STORE-RIGHTS", msg) from error
    flat = {_text(name): _text(value) for one in found for name, value in one.items()}
    missing = [name for name in _WANTED if name not in flat]
    if missing:
        raise ConfigError("U-STORE-RIGHTS", f"Redis does not tell its {missing[0]}; use a Redis that does")
    return flat


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _version(text: str) -> tuple[int, int]:
    major, minor, *_ = (*text.split("."), "0")
    return int(major), int(minor)
