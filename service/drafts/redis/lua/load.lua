-- Everything that one step decides on, read at one moment, with the store's time.
-- KEYS[1] the shard; ARGV: time of a test's clock or '', patient id or '', facts or '', follow ('1': the patient of
-- the first draft named, with the patient's unconfirmed ones), card or '', kind and name of a register ('' and '': the patient's consent), then the ids of
-- drafts to read whole.
local P = KEYS[1] .. ':'
--UNCONFIRMED--
--PACKED--
local given, patient, facts, follow, card, kind, name = unpack(ARGV, 1, 7)
local seen, drafts = {}, {}

local function read(id, whole)
  if seen[id] then return end
  seen[id] = true
  local row = redis.call('HGETALL', P .. 'd:' .. id)
  if #row == 0 then return end
  local resource = redis.call('HGET', P .. 'v:' .. id, redis.call('HGET', P .. 'd:' .. id, 'version'))
  local found = {id, row, resource, {}, {}, {}}
  if whole then
    found[4] = redis.call('HGETALL', P .. 'p:' .. id)
    found[5] = redis.call('HGETALL', P .. 'g:' .. id)
    found[6] = redis.call('HGETALL', P .. 'o:' .. id)
  end
  drafts[#drafts + 1] = found
end

for i = 8, #ARGV do read(ARGV[i], true) end
if follow == '1' and #drafts > 0 then
  local row = redis.call('HMGET', P .. 'd:' .. drafts[1][1], 'pid', 'person')
  patient = row[1] or ''
  -- What may be ordered already: signed or accepted, and not confirmed.
  for _, id in ipairs(redis.call('ZRANGE', P .. 'of:' .. (row[2] or ''), 0, -1)) do
    local state = redis.call('HGET', P .. 'd:' .. id, 'state')
    if state and string.find(UNCONFIRMED, '|' .. state .. '|', 1, true) then read(id, false) end
  end
end

local tick, flag = '', {}
if patient ~= '' then
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'open:' .. patient)) do read(id, false) end
  if facts ~= '' then
    for _, id in ipairs(redis.call('SMEMBERS', P .. 'facts:' .. patient .. ':' .. facts)) do read(id, false) end
  end
  tick = redis.call('HGET', P .. 'patient:' .. patient, 'tick') or '0'
  local id = redis.call('HGET', P .. 'patient:' .. patient, 'flag')
  if id then
    flag = {id, redis.call('HGETALL', P .. 'f:' .. id), redis.call('LINDEX', P .. 'l:' .. id, -1),
      redis.call('LRANGE', P .. 'w:' .. id, 0, -1)}
  end
end

if name == '' and patient ~= '' then kind, name = 'consent', patient end
local register, id = {}, name ~= '' and redis.call('HGET', P .. 'named:' .. kind, name)
if id then register = {id, redis.call('HGETALL', P .. 'r:' .. id), redis.call('LINDEX', P .. 'e:' .. id, -1)} end

local time = given
if time == '' then
  local t = redis.call('TIME')
  time = string.format('%.0f', t[1] * 1000000 + t[2])
end
local shown = {}
if card ~= '' then shown = redis.call('HGETALL', P .. 'c:' .. card) end
return packed({time, drafts, patient, tick, flag, shown, register})
