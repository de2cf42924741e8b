"""What Valkey does by itself, so that all workers agree: turns handed out, and who is down. Valkey's clock is the only clock.

Keys of a provider: `slots` (process → until when it counts), `held` (process → how many turns), `queue` (process → until
when it counts as waiting), `requests` and `tokens` (buckets), `pause`, `breaker`.
"""

# KEYS: slots held queue requests tokens pause breaker
# ARGV: me, most, lease_ms, requests and tokens a minute, turns in use, tokens to give back, probe_ms, then for each turn wanted its tokens
# → granted, wait_ms, share, failures in a row, whether the breaker is open, for how many ms it has been down,
#   for how many ms everybody keeps still
SYNC = """
local slots, held, queue, requests, tokens, pause, breaker = unpack(KEYS)
local me, most, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local per_minute, tokens_per_minute = tonumber(ARGV[4]), tonumber(ARGV[5])
local in_use, spare, probe_ms, wanted = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), #ARGV - 8
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', now)) do redis.call('HDEL', held, dead) end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
redis.call('ZREMRANGEBYSCORE', queue, '-inf', now)
redis.call('HDEL', held, me)
local others = 0
for _, count in ipairs(redis.call('HVALS', held)) do others = others + tonumber(count) end
if wanted > 0 then redis.call('ZADD', queue, now + lease_ms, me) else redis.call('ZREM', queue, me) end
local waiting = math.max(1, redis.call('ZCARD', queue))
local share = most
if waiting > 1 then share = math.ceil(most / waiting) end
local allowed = math.max(0, math.min(wanted, most - others - in_use, share - in_use))
if waiting >= most and waiting > 1 then share = 0 end
local wait = 0
if allowed < wanted then wait = 20 end
local paused = redis.call('PTTL', pause)
if paused > 0 then allowed, wait = 0, paused else paused = 0 end
local failures, open, down = 0, 0, 0
local b = redis.call('HMGET', breaker, 'failures', 'until', 'since', 'probe', 'prober')
failures = tonumber(b[1] or 0)
if b[2] then
  open, down = 1, now - tonumber(b[3])
  if now < tonumber(b[2]) then allowed, wait = 0, math.max(wait, math.min(250, tonumber(b[2]) - now))
  elseif b[4] and now < tonumber(b[4]) and not (b[5] == me and in_use == 0) then allowed, wait = 0, math.max(wait, 50)
  else allowed = math.min(allowed, 1) end
end
local function look(key, rate)
  local room = math.max(1, rate / 10)
  local fill = math.max(rate * 0.9, math.min(rate, 1)) / 60000
  local was = redis.call('HMGET', key, 'level', 'at')
  local level = room
  if was[1] then level = math.min(room, tonumber(was[1]) + (now - tonumber(was[2])) * fill) end
  return level, room, fill
end
local request_level, token_level, request_fill, token_fill, request_room, token_room
if per_minute > 0 then request_level, request_room, request_fill = look(requests, per_minute) end
if tokens_per_minute > 0 then
  token_level, token_room, token_fill = look(tokens, tokens_per_minute)
  token_level = math.min(token_room, token_level + spare)
end
local granted = 0
while granted < allowed do
  local need, late = tonumber(ARGV[9 + granted]), 0
  if request_level and request_level < 1 then late = (1 - request_level) / request_fill end
  if token_level then
    local least = math.min(need, token_room)
    if token_level < least then late = math.max(late, (least - token_level) / token_fill) end
  end
  if late > 0 then wait = math.ceil(late); break end
  if request_level then request_level = request_level - 1 end
  if token_level then token_level = token_level - need end
  granted = granted + 1
end
if request_level then redis.call('HSET', requests, 'level', request_level, 'at', now); redis.call('PEXPIRE', requests, 120000) end
if token_level then redis.call('HSET', tokens, 'level', token_level, 'at', now); redis.call('PEXPIRE', tokens, 600000) end
if open == 1 and granted > 0 then redis.call('HSET', breaker, 'probe', now + probe_ms, 'prober', me) end
if in_use + granted > 0 then
  redis.call('ZADD', slots, now + lease_ms, me)
  redis.call('HSET', held, me, in_use + granted)
else redis.call('ZREM', slots, me) end
for _, key in ipairs({slots, held, queue}) do redis.call('PEXPIRE', key, lease_ms + 60000) end
return {granted, wait, share, failures, open, down, paused}
"""

# KEYS: breaker. ARGV: failures that open it, open_ms → failures in a row, whether it is open, for how many ms it has been down
FAILED = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local since = redis.call('HGET', KEYS[1], 'since')
if since or failures >= tonumber(ARGV[1]) then
  since = since or now
  redis.call('HSET', KEYS[1], 'until', now + tonumber(ARGV[2]), 'since', since)
  redis.call('HDEL', KEYS[1], 'probe')
end
redis.call('PEXPIRE', KEYS[1], 600000)
return {failures, since and 1 or 0, since and now - tonumber(since) or 0}
"""
