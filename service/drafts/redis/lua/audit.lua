-- All that verification holds against the chains of drafts, each draft at one moment. KEYS[1] the shard; ARGV[1] the ids (MessagePack).
-- Answers for each draft a list of texts (two or more of them as lists), and a list of what may be any bytes: sealed
-- values, MessagePack. cmsgpack writes texts many times faster than Lua does, and knows no bytes.
local P = KEYS[1] .. ':'
--PACKED--

local function call(name, letter, id, ...) return redis.call(name, P .. letter .. ':' .. id, ...) end

-- The names of a hash; its values go to the others.
local function names(letter, id, others)
  local flat, found = call('HGETALL', letter, id), {}
  for i = 1, #flat, 2 do
    found[#found + 1], others[#others + 1] = flat[i], flat[i + 1]
  end
  return found
end

-- How many fields a hash has, and those that it is to have, the last ones of them to the others.
local function row(letter, id, others, last, ...)
  local size = call('HLEN', letter, id)
  if size == 0 then return {} end
  local found = call('HMGET', letter, id, ...)
  for i = #found - last + 1, #found do
    others[#others + 1], found[i] = found[i], nil
  end
  found[#found + 1] = size
  return found
end

-- The cards that a chain names, with their fields. Reading an entry costs more than all else, and most name none.
local function cards(entries)
  local found = {}
  for _, entry in ipairs(entries) do
    local fine, read = pcall(cjson.decode, string.find(entry, '"card":', 65, true) and string.sub(entry, 65) or '')
    local card = fine and type(read) == 'table' and type(read.detail) == 'table' and read.detail.card
    if type(card) == 'string' then
      found[#found + 1] = {card, row('c', card, nil, 0, 'ehr', 'drafts', 'detail')}
    end
  end
  return found
end

local function record(id)
  local others = {}
  local d = row('d', id, others, 2, 'ehr', 'patient', 'pid', 'person', 'facts', 'rank', 'created', 'expires', 'state',
    'version', 'updated', 'seq', 'head', 'ingredient', 'context')
  local v, p = names('v', id, others), names('p', id, others)
  local g = row('g', id, others, 3, 'draft', 'version', 'digest', 'practitioner', 'order_id', 'signed', 'order', 'jws',
    'provenance')
  local o = row('o', id, others, 0, 'due', 'attempts', 'lease', 'progress', 'entry')
  local t, entries = names('t', id, others), call('LRANGE', 'a', id, 0, -1)
  local ehr, pid, entry = d[1] or '', d[3] or '', o[5] or ''
  local found = {
    redis.call('SISMEMBER', P .. 'ehrs', ehr),
    redis.call('ZSCORE', P .. 'in:' .. (d[9] or '') .. ':' .. ehr, id),
    redis.call('ZSCORE', P .. 'of:' .. (d[4] or ''), id),
    redis.call('SISMEMBER', P .. 'facts:' .. pid .. ':' .. (d[5] or ''), id),
    redis.call('SISMEMBER', P .. 'open:' .. pid, id),
    redis.call('ZSCORE', P .. 'deadline', id),
    redis.call('ZSCORE', P .. 'due', id),
    g[5] and redis.call('HGET', P .. 'orders', g[5]) or false,
    entry ~= '' and redis.call('XRANGE', P .. 'outbox', entry, entry) or {},
  }
  return {d, entries, v, p, g, o, t, cards(entries), found}, others
end

-- A record of the wrong type of key is no record: it is left empty, and verification names it.
local texts, others = {}, {}
for i, id in ipairs(cmsgpack.unpack(ARGV[1])) do
  local fine, one, rest = pcall(record, id)
  texts[i], others[i] = fine and one or {}, fine and rest or {}
end
return '\146' .. cmsgpack.pack(texts) .. packed(others)
