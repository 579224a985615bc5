-- The members of indexes that their records do not put there. KEYS[1] the shard; ARGV[1] the indexes, without the shard
-- (MessagePack: one argument is sent many times faster than hundreds).
local P = KEYS[1] .. ':'
--TABLES--
--PACKED--

local function of(letter, id, ...) return redis.call('HMGET', P .. letter .. ':' .. id, ...) end

local belongs = {
  ['in'] = function(id, rest) local f = of('d', id, 'state', 'ehr') return f[1] and f[1] .. ':' .. f[2] == rest end,
  of = function(id, rest) return of('d', id, 'person')[1] == rest end,
  open = function(id, rest) return of('d', id, 'pid')[1] == rest and redis.call('ZSCORE', P .. 'deadline', id) end,
  facts = function(id, rest) local f = of('d', id, 'pid', 'facts') return f[1] and f[1] .. ':' .. f[2] == rest end,
  deadline = function(id, rest)
    return is(UNSIGNED, of('d', id, 'state')[1] or '')
  end,
  due = function(id, rest) local due = of('o', id, 'due')[1] return due and due ~= '' end,
}

local function members(kind, name)
  if kind == 'open' or kind == 'facts' then return redis.call('SMEMBERS', P .. name) end
  return redis.call('ZRANGE', P .. name, 0, -1)
end

local function named(key, name, id)
  local f = of('r', id, 'kind', 'pid')
  return f[1] and 'named:' .. f[1] == key and f[2] == name
end

local function pairs_of(kind, name, wrong)
  local all = redis.call('HGETALL', P .. name)
  for i = 1, #all, 2 do
    local fine = kind == 'named' and named(name, all[i], all[i + 1])
      or kind == 'orders' and of('g', all[i + 1], 'order_id')[1] == all[i]
      or kind == 'words' and of('f', all[i + 1], 'seq')[1]
    if not fine then wrong[#wrong + 1] = all[i] end
  end
end

local function stream(name, wrong)
  for _, entry in ipairs(redis.call('XRANGE', P .. name, '-', '+')) do
    if of('o', entry[2][2] or '', 'entry')[1] ~= entry[1] then wrong[#wrong + 1] = entry[1] end
  end
end

local function check(name)
  local kind, rest = string.match(name, '^([^:]+):?(.*)$')
  local wrong = {}
  if kind == 'outbox' then
    stream(name, wrong)
  elseif kind == 'patient' then
    local id = redis.call('HGET', P .. name, 'flag')
    if id and of('f', id, 'pid')[1] ~= rest then wrong[1] = id end
  elseif kind == 'orders' or kind == 'words' or kind == 'named' then
    pairs_of(kind, name, wrong)
  else
    for _, id in ipairs(members(kind, name)) do
      if not belongs[kind](id, rest) then wrong[#wrong + 1] = id end
    end
  end
  return wrong
end

local found = {}
for i, name in ipairs(cmsgpack.unpack(ARGV[1])) do
  local fine, wrong = pcall(check, name)
  found[i] = fine and wrong or {'what cannot be read'}
end
return packed(found)
