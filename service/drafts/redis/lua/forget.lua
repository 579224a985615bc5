-- Whole registers of accesses removed, each only where it ends as it was seen to. KEYS[1] the shard; ARGV: for each its
-- id, and the number and hash of its last entry. Answers how many went.
local P, gone = KEYS[1] .. ':', 0
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  local row = redis.call('HMGET', P .. 'r:' .. id, 'kind', 'pid', 'seq', 'head')
  if row[1] == 'access' and row[3] == ARGV[i + 1] and row[4] == ARGV[i + 2] then
    redis.call('HDEL', P .. 'named:access', row[2])
    redis.call('DEL', P .. 'r:' .. id, P .. 'e:' .. id)
    gone = gone + 1
  end
end
return gone
