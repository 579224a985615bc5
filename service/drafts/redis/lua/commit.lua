-- One step, whole or not at all: first everything is compared, then everything is written.
-- KEYS[1] the shard; ARGV: time of a test's clock or '', the plan (MessagePack; redis_plan.py says what is in it).
-- Answers: done, moved (something read has changed: read again), late (too long ago: read again), or what is broken.
local P, plan = KEYS[1] .. ':', cmsgpack.unpack(ARGV[2])
--TABLES--

local function call(name, key, ...) return redis.call(name, P .. key, ...) end

local function flat(fields)
  local list = {}
  for name, value in pairs(fields) do
    list[#list + 1] = name
    list[#list + 1] = value
  end
  return list
end

local function put(key, fields)
  if next(fields) then call('HSET', key, unpack(flat(fields))) end
end

local function push(key, values)
  for _, value in ipairs(values) do call('RPUSH', key, value) end
end

local time = tonumber(ARGV[1])
if not time then
  local t = redis.call('TIME')
  time = t[1] * 1000000 + t[2]
end

-- Compare.

local function chained(key, part)
  if call('LLEN', key) ~= tonumber(part.seq) then return 'its chain is not as long as it says' end
  if tonumber(part.seq) + #part.entries ~= tonumber(part.set.seq) then return 'entries and number do not fit' end
end

local function signable(d)
  local sign = d.signature
  if not sign then return 'signed without a signature' end
  if call('EXISTS', 'g:' .. d.id) == 1 then return 'signed twice' end
  if sign.version ~= d.version or sign.draft ~= d.id then return 'signed in another version' end
  if call('HEXISTS', 'p:' .. d.id, sign.digest) == 0 and not d.shown[sign.digest] then
    return 'signed without having been shown'
  end
  if call('HEXISTS', 'orders', sign.order_id) == 1 then return 'an order of this id is there already' end
end

local function walked(d)
  local state, signs = d.state, false
  for _, event in ipairs(d.events) do
    signs = signs or event == 'signed'
    local reached = after(event, state)
    if not reached then return 'no such step' end
    local fault = event == 'signed' and signable(d)
    if fault then return fault end
    state = reached
  end
  if state ~= d.set.state then return 'the steps lead elsewhere' end
  if tonumber(d.set.version) < tonumber(d.version) then return 'a draft only moves forward' end
  if signs ~= (d.signature ~= nil) then return 'a signature comes with its event' end
  local signed = signs or call('EXISTS', 'g:' .. d.id) == 1
  if not is(EITHER, state) and is(WITH_SIGNATURE, state) ~= signed then return 'signed is what has a signature' end
end

local function overdue(d)
  for _, event in ipairs(d.events) do
    if event == 'signed' and time >= tonumber(d.expires) then return true end
  end
  return false
end

local function compared(d)
  local found = call('HMGET', 'd:' .. d.id, 'state', 'version', 'seq', 'head')
  if d.seq == '0' then
    if found[1] then return 'moved' end
  elseif found[1] ~= d.state or found[2] ~= d.version or found[3] ~= d.seq or found[4] ~= d.head then
    return 'moved'
  end
  if overdue(d) then return 'late' end
  return chained('a:' .. d.id, d) or walked(d)
end

local function entered(r)
  local found = call('HMGET', 'r:' .. r.id, 'seq', 'head')
  if (found[1] or '0') ~= r.seq or (found[2] or r.head) ~= r.head then return 'moved' end
  if r.seq == '0' and call('HEXISTS', 'named:' .. r.kind, r.name) == 1 then return 'moved' end
  return chained('e:' .. r.id, r)
end

local function compare()
  if call('ZSCORE', 'done', plan.token) then return 'done' end
  local at = tonumber(plan.at)
  if time < at or time - at > tonumber(plan.window) then return 'late' end
  if plan.patient and (call('HGET', 'patient:' .. plan.patient, 'tick') or '0') ~= plan.tick then return 'moved' end
  for _, one in ipairs(plan.unchanged) do
    if call('HGET', 'd:' .. one[1], 'head') ~= one[2] then return 'moved' end
  end
  for _, card in ipairs(plan.cards) do
    if call('EXISTS', 'c:' .. card.uuid) == 1 then return 'moved' end
  end
  local flag = plan.flag
  if flag then
    local found = call('HMGET', 'f:' .. flag.id, 'seq', 'head')
    if (found[1] or '0') ~= flag.seq or (found[2] or flag.head) ~= flag.head then return 'moved' end
    local fault = chained('b:' .. flag.id, flag)
    if fault then return fault end
  end
  for _, d in ipairs(plan.drafts) do
    local fault = compared(d)
    if fault then return fault end
  end
  if plan.register then return entered(plan.register) end
end

-- Write.

local function index(d)
  local state, ehr = d.set.state, d.ehr
  if d.seq == '0' then
    call('SADD', 'ehrs', ehr)
    call('SADD', 'facts:' .. d.patient .. ':' .. d.facts, d.id)
    call('ZADD', 'of:' .. d.person, d.created, d.id)
    call('HINCRBY', 'patient:' .. d.patient, 'tick', plan.stride)
  elseif state == d.state then
    return
  else
    call('ZREM', 'in:' .. d.state .. ':' .. ehr, d.id)
  end
  call('ZADD', 'in:' .. state .. ':' .. ehr, d.created, d.id)
  if is(UNSIGNED, state) then
    call('SADD', 'open:' .. d.patient, d.id)
    call('ZADD', 'deadline', d.expires, d.id)
  else
    call('SREM', 'open:' .. d.patient, d.id)
    call('ZREM', 'deadline', d.id)
  end
end

-- The stream's entry is there from the signature until nothing is to be done, pending while a worker has it.
local function queue(d)
  local row, key = d.outbox, 'o:' .. d.id
  local entry = not d.signature and call('HGET', key, 'entry') or call('XADD', 'outbox', '*', 'draft', d.id)
  put(key, {due = row.due, attempts = row.attempts, lease = row.lease, progress = row.progress, entry = entry})
  if row.score == '' then
    call('ZREM', 'due', d.id)
    call('XACK', 'outbox', 'writers', entry)
    if is(SETTLED, d.set.state) then
      call('XDEL', 'outbox', entry)
    end
  else
    call('ZADD', 'due', row.score, d.id)
    if row.lease ~= '' then
      redis.pcall('XGROUP', 'CREATE', P .. 'outbox', 'writers', '0', 'MKSTREAM')
      call('XCLAIM', 'outbox', 'writers', plan.worker, '0', entry, 'FORCE', 'JUSTID', 'LASTID', entry)
    end
  end
end

local function write(d)
  index(d)
  put('d:' .. d.id, d.set)
  put('v:' .. d.id, d.revisions)
  push('a:' .. d.id, d.entries)
  put('t:' .. d.id, d.comments)
  if d.drop then call('DEL', 'p:' .. d.id) end
  if d.prepared then put('p:' .. d.id, d.prepared) end
  if d.signature then
    put('g:' .. d.id, d.signature)
    call('HSET', 'orders', d.signature.order_id, d.id)
  end
  if d.outbox then queue(d) end
end

local answer = compare()
if answer then return answer end
-- The first write is one that Redis refuses when memory is short; after it, it refuses none of the others.
call('ZADD', 'done', time, plan.token)
for _, d in ipairs(plan.drafts) do write(d) end
for _, card in ipairs(plan.cards) do put('c:' .. card.uuid, card.set) end
local flag = plan.flag
if flag then
  put('f:' .. flag.id, flag.set)
  push('b:' .. flag.id, flag.entries)
  push('l:' .. flag.id, flag.alarms)
  push('w:' .. flag.id, flag.attestations)
  put('words', flag.words)
  call('HSET', 'patient:' .. flag.patient, 'flag', flag.id)
  call('HINCRBY', 'patient:' .. flag.patient, 'tick', plan.stride)
end
local register = plan.register
if register then
  put('r:' .. register.id, register.set)
  push('e:' .. register.id, register.entries)
  call('HSET', 'named:' .. register.kind, register.name, register.id)
  if register.kind == 'consent' then call('HINCRBY', 'patient:' .. register.name, 'tick', plan.stride) end
end
if tonumber(plan.stride) % 16 == 0 then call('ZREMRANGEBYSCORE', 'done', '-inf', time - 120000000) end
return 'done'
