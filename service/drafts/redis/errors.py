"""What a caller is told of a failure of Redis: a stable code, never the text of a command or value."""

from typing import Final

from redis import exceptions

from service.errors import ServiceError, Unavailable

# By the first word of Redis's own answer (redis.io/docs/latest/develop/reference/errors).
_ANSWERS: Final = {
    "OOM": ("U-STORE-MEMORY", "Redis is out of memory; give it more, nothing was recorded"),
    "READONLY": ("U-STORE-READONLY", "this Redis is a replica; point store.url at the primary, nothing was recorded"),
    "LOADING": ("U-STORE-LOADING", "Redis is reading its file; try again when it has, nothing was recorded"),
    "MISCONF": ("U-STORE-FULL", "Redis cannot write its file; look at its disk and log, nothing was recorded"),
    "NOREPLICAS": ("U-STORE-REPLICAS", "too few replicas follow Redis; bring them back, nothing was recorded"),
    "MASTERDOWN": ("U-STORE-READONLY", "this Redis has lost its primary; point store.url at the new one"),
    "CLUSTERDOWN": ("U-STORE-UNREACHABLE", "the Redis Cluster is not whole; see its nodes, nothing was recorded"),
}
_RIGHTS: Final = {
    "NOAUTH": "Redis wants a user and password; give them in store.url",
    "WRONGPASS": "Redis does not know this user and password; check store.url",
    "NOPERM": "Redis refuses a command or key to this user; see docs/operations.md for its rights",
}
# redis-py gives these answers classes of their own and takes the first word away.
_CLASSES: Final = (
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.AuthenticationError, "WRONGPASS"),
)
# What may pass by itself within a moment, so that asking again is worth it.
PASSING: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
    exceptions.SlotNotCoveredError,
    OSError,
)


def unanswered(error: Exception) -> bool:
    """Tell whether Redis may have done what it was asked, since no answer came."""
    answered = (exceptions.BusyLoadingError, exceptions.AuthenticationError, exceptions.MaxConnectionsError)
    broken = (exceptions.ConnectionError, exceptions.TimeoutError, OSError)
    return isinstance(error, broken) and not isinstance(error, answered)


def store_error(error: Exception, *, writing: bool = False) -> ServiceError:
    """Return the error of a failure; ``writing`` where something may have been recorded."""
    word = _word(error)
    if word in _ANSWERS:
        return Unavailable(*_ANSWERS[word])
    if word in _RIGHTS:
        return Unavailable("U-STORE-RIGHTS", _RIGHTS[word])
    if unanswered(error) and writing:
        msg = "Redis stopped answering; whether this was recorded is not known, read it again"
        return Unavailable("U-STORE-UNKNOWN", msg)
    if isinstance(error, PASSING):
        return Unavailable("U-STORE-UNREACHABLE", "Redis cannot be reached; check store.url and the server")
    return Unavailable("U-STORE-FAILED", f"the store failed ({word or 'Redis'}); see the log of Redis")


def _word(error: Exception) -> str:
    """Return the first word of Redis's answer, also where it came out of a script."""
    for kind, word in _CLASSES:
        if isinstance(error, kind):
            return word
    if "can't run this command" in str(error):  # said of a script whose user lacks a right
        return "NOPERM"
    words = str(error).replace("-", " ").split()
    known = [word for word in words if word in _ANSWERS or word in _RIGHTS]
    return known[0] if known else (words[0] if words and words[0].isupper() else "")
