-- Everything that one step decides on, read at one moment, with the store's time.
-- KEYS[1] the shard; ARGV: time of a test's clock or '', patient id or '', facts or '', follow ('1': the patient of
-- the first draft named), card or '', then the ids of drafts to read whole.
local P = KEYS[1] .. ':'
local given, patient, facts, follow, card = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
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

for i = 6, #ARGV do read(ARGV[i], true) end
if follow == '1' and #drafts > 0 then patient = redis.call('HGET', P .. 'd:' .. drafts[1][1], 'pid') or '' end

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

local time = given
if time == '' then
  local t = redis.call('TIME')
  time = string.format('%.0f', t[1] * 1000000 + t[2])
end
local shown = {}
if card ~= '' then shown = redis.call('HGETALL', P .. 'c:' .. card) end
return {time, drafts, patient, tick, flag, shown}
