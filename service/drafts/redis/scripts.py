"""The scripts that run in Redis (``lua/``): their sources with what is put into them, and the digests they go by."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from service.drafts import states

# One string for a whole answer, which is read many times faster here than as Redis's own nested lists.
_PACKED: Final = """
local pack = struct.pack
local function packed_into(parts, value)
  local n, kind = #parts, type(value)
  if kind == 'string' then
    parts[n + 1], parts[n + 2] = pack('>BI4', 0xc6, #value), value
  elseif kind == 'table' then
    parts[n + 1] = pack('>BI4', 0xdd, #value)
    for i = 1, #value do packed_into(parts, value[i]) end
  else
    parts[n + 1] = kind == 'number' and pack('>Bi4', 0xd2, value) or '\\192'
  end
end
local function packed(value)
  local parts = {}
  packed_into(parts, value)
  return table.concat(parts)
end
"""

_LOOKING: Final = """
local function is(group, state) return string.find(group, '|' .. state .. '|', 1, true) ~= nil end
local function after(event, state)
  local _, last = string.find(NEXT, '|' .. event .. ':' .. state .. '=', 1, true)
  return last and string.match(NEXT, '^[^|]*', last + 1)
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script with the digest that Redis keeps it under; ``packed`` where its answer is one MessagePack string."""

    source: str
    sha: str
    packed: bool


def _script(name: str) -> Script:
    source = (files("service") / "drafts" / "redis" / "lua" / f"{name}.lua").read_text("utf-8")
    source = source.replace("--TABLES--", _tables()).replace("--PACKED--", _PACKED)
    source = source.replace("--UNCONFIRMED--", f"local UNCONFIRMED = '|{'|'.join(states.UNCONFIRMED)}|'")
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(source, sha, packed="packed(" in source)


def _tables() -> str:
    """Return the table of states for Lua, so that the server itself refuses a step that is not in it.

    They are texts to look in: Lua would build a table anew for each run, which takes longer than all that a step asks.
    """
    rows = (
        f"{event}:{state or ''}={after}|" for event, row in states.TRANSITIONS.items() for state, after in row.items()
    )
    groups = {
        "UNSIGNED": states.UNSIGNED,
        "WITH_SIGNATURE": states.WITH_SIGNATURE,
        "EITHER": states.EITHER,
        "SETTLED": states.SETTLED,
    }
    sets = [f"local {name} = '|{'|'.join(group)}|'" for name, group in groups.items()]
    return "\n".join([f"local NEXT = '|{''.join(rows)}'", *sets, _LOOKING])


LOAD, COMMIT, LOOK, SHORT, RECORD, AUDIT, INDEX, RESEAL, FORGET, NAMES = (
    _script(name)
    for name in ("load", "commit", "look", "short", "record", "audit", "index", "reseal", "forget", "keys")
)
