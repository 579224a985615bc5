-- What is kept for a while and outside the audit chain. The time it ends at is a field, as with everything here.
-- KEYS[1] the shard; ARGV: time of a test's clock or '', keep | kept | drop | once, name, value, end in microseconds.
local P, what, name = KEYS[1] .. ':', ARGV[2], ARGV[3]
local time = tonumber(ARGV[1])
if not time then
  local t = redis.call('TIME')
  time = t[1] * 1000000 + t[2]
end
local key, ends = P .. 'k:' .. name, P .. 'ends'
local found = redis.call('HMGET', key, 'value', 'ends')
local live = found[2] and time < tonumber(found[2])

local function sweep()
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', time, 'LIMIT', 0, 100)) do
    redis.call('DEL', P .. 'k:' .. old)
    redis.call('ZREM', ends, old)
  end
end

local function keep()
  redis.call('HSET', key, 'value', ARGV[4], 'ends', ARGV[5])
  redis.call('ZADD', ends, ARGV[5], name)
end

if what == 'kept' then return live and found[1] or false end
sweep()
if what == 'keep' then
  keep()
  return false
elseif what == 'drop' then
  redis.call('DEL', key)
  redis.call('ZREM', ends, name)
  return live and found[1] or false
end
if live then return '1' end
keep()
return false
