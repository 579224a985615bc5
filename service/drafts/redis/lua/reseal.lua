-- Values in place of others, each only where it is still the other. KEYS[1] the shard; ARGV[1] a list of key, field or
-- place in a list, old, new (MessagePack). Answers how many were replaced.
local P, changed = KEYS[1] .. ':', 0
for _, one in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, name, old, new = P .. one[1], one[2], one[3], one[4]
  local list = redis.call('TYPE', key).ok == 'list'
  local found = list and redis.call('LINDEX', key, name) or not list and redis.call('HGET', key, name)
  if found == old then
    if list then redis.call('LSET', key, name, new) else redis.call('HSET', key, name, new) end
    changed = changed + 1
  end
end
return changed
