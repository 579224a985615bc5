-- What is where, without the records themselves: KEYS[1] the shard, ARGV[1] the question.
local P, question = KEYS[1] .. ':', ARGV[1]

local function each(states, ehr, tell)
  local ehrs = ehr ~= '' and {ehr} or redis.call('SMEMBERS', P .. 'ehrs')
  for state in string.gmatch(states, '[^ ]+') do
    for _, name in ipairs(ehrs) do tell(P .. 'in:' .. state .. ':' .. name) end
  end
end

-- The newest of a sorted set, and those that are as new as the last of them.
local function newest(key, limit, found)
  local last = redis.call('ZREVRANGE', key, limit - 1, limit - 1, 'WITHSCORES')
  local list = redis.call('ZREVRANGEBYSCORE', key, '+inf', last[2] or '-inf', 'WITHSCORES')
  for _, item in ipairs(list) do found[#found + 1] = item end
end

if question == 'find' then
  local found = {}
  each(ARGV[2], ARGV[3], function(key) newest(key, tonumber(ARGV[4]), found) end)
  return found
elseif question == 'of' then
  local found = {}
  newest(P .. 'of:' .. ARGV[2], redis.call('ZCARD', P .. 'of:' .. ARGV[2]) + 1, found)
  return found
elseif question == 'count' then
  local count = 0
  each(ARGV[2], ARGV[3], function(key) count = count + redis.call('ZCARD', key) end)
  return count
elseif question == 'card' then
  return redis.call('HGET', P .. 'c:' .. ARGV[2], 'drafts')
elseif question == 'card-ehr' then
  return redis.call('HGET', P .. 'c:' .. ARGV[2], 'ehr')
elseif question == 'order' then
  return redis.call('HGET', P .. 'orders', ARGV[2])
elseif question == 'heads' then
  local found = {}
  for i = 2, #ARGV do found[i - 1] = redis.call('HMGET', P .. ARGV[i], 'seq', 'head', 'kind') end
  return found
elseif question == 'registered' then
  local key, found = P .. 'named:' .. ARGV[2], {}
  for _, id in ipairs(ARGV[3] ~= '' and redis.call('HMGET', key, ARGV[3]) or redis.call('HVALS', key)) do
    local last = id and redis.call('LINDEX', P .. 'e:' .. id, -1)
    if last then found[#found + 1] = {id, redis.call('HGETALL', P .. 'r:' .. id), last} end
  end
  return found
elseif question == 'word' then
  return redis.call('HGET', P .. 'words', ARGV[2])
end

-- due and deadline: those whose time has come, the longest ago first; without those of some tenants.
local time = ARGV[2]
if time == '' then
  local t = redis.call('TIME')
  time = string.format('%.0f', t[1] * 1000000 + t[2])
end
local skipped = {}
for name in string.gmatch(ARGV[4] or '', '[^ ]+') do skipped[name] = true end
if next(skipped) == nil then
  return redis.call('ZRANGEBYSCORE', P .. question, '-inf', time, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
end
local due, found = redis.call('ZRANGEBYSCORE', P .. question, '-inf', time, 'WITHSCORES'), {}
for i = 1, #due, 2 do
  if #found >= 2 * tonumber(ARGV[3]) then break end
  if not skipped[redis.call('HGET', P .. 'd:' .. due[i], 'ehr')] then
    found[#found + 1], found[#found + 2] = due[i], due[i + 1]
  end
end
return found
