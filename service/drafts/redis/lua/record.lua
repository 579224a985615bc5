-- All that is kept of drafts (ARGV[1] 'draft'), flags ('flag') or registers ('register'), each at one moment; of flags
-- and registers what leads to them too (of drafts audit.lua has it).
-- KEYS[1] the shard; then the ids.
local P, kind = KEYS[1] .. ':', ARGV[1]
--PACKED--

-- What the entries of a chain name: cards with their fields, attestations with where they are found by id.
local function named(entries)
  local cards, words = {}, {}
  for _, entry in ipairs(entries) do
    -- Reading an entry costs more than all else here, and most name nothing.
    local names = string.find(entry, '"card":', 65, true) or string.find(entry, '"attestation":', 65, true)
    local fine, read = pcall(cjson.decode, names and string.sub(entry, 65) or '')
    local detail = fine and type(read) == 'table' and type(read.detail) == 'table' and read.detail or {}
    local card, word = detail.card, detail.attestation
    if type(card) == 'string' then cards[#cards + 1] = {card, redis.call('HGETALL', P .. 'c:' .. card)} end
    if type(word) == 'string' then words[#words + 1] = redis.call('HGET', P .. 'words', word) end
  end
  return cards, words
end

local function record(id)
  local function all(letter) return redis.call('HGETALL', P .. letter .. ':' .. id) end
  local function list(letter) return redis.call('LRANGE', P .. letter .. ':' .. id, 0, -1) end
  local function field(letter, name) return redis.call('HGET', P .. letter .. ':' .. id, name) or '' end
  if kind == 'register' then
    return {all('r'), list('e'), redis.call('HGET', P .. 'named:' .. field('r', 'kind'), field('r', 'pid'))}
  elseif kind == 'flag' then
    local entries, flagged = list('b'), redis.call('HGET', P .. 'patient:' .. field('f', 'pid'), 'flag')
    local cards, words = named(entries)
    return {all('f'), entries, list('l'), list('w'), cards, flagged, words}
  end
  return {all('d'), all('v'), list('a'), all('p'), all('g'), all('o'), all('t')}
end

-- A record of the wrong type of key is no record: its error is the answer, and verification names it.
local found = {}
for i = 2, #ARGV do
  local fine, one = pcall(record, ARGV[i])
  found[#found + 1] = fine and one or {}
end
return packed(found)
