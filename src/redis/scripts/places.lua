-- Places that are held until a time unless they are renewed: a sorted set of holders by that time. ARGV[2] is what is done, then come the
-- limit, the microseconds of a hold, and the holder. Nodes that say hello hold places of which there are enough for all.
local key = KEYS[1]
local limit, hold, holder = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
-- After a step back nobody holds for longer than a hold.
local last = now + hold

local function held()
  return redis.call('ZCOUNT', key, '(' .. text(now), '+inf')
end

-- Microseconds until the place is free that is so many from the last to be so, which is 1.
local function free(place)
  local found = redis.call('ZRANGE', key, -place, -place, 'WITHSCORES')
  return math.min(tonumber(found[2]), last) - now
end

-- Who is ahead of the clock, and whose time is over.
local function mend()
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. text(last), '+inf')) do
    redis.call('ZADD', key, text(last), other)
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
end

local function take()
  mend()
  redis.call('ZADD', key, text(last), holder)
  redis.call('PEXPIRE', key, life(hold))
end

local function is_held()
  local until_when = redis.call('ZSCORE', key, holder)
  return until_when and tonumber(until_when) > now
end

-- What is left, how many microseconds until one is free (-1 is never), and until all are.
local function standing()
  local count = held()
  local retry, reset = 0, 0
  if limit == 0 then
    retry = -1
  elseif count >= limit then
    retry = free(limit)
  end
  if count > 0 then
    reset = free(1)
  end
  return math.max(limit - count, 0), retry, reset
end

if ARGV[2] == 'peek' then
  return {standing()}
elseif ARGV[2] == 'hello' then
  take()
  return {held()}
elseif ARGV[2] == 'release' then
  mend()
  redis.call('ZREM', key, holder)
  redis.call('PEXPIRE', key, life(hold))
  return {1}
elseif ARGV[2] == 'renew' then
  if is_held() then
    take()
    return {1}
  end
  return {0}
end
if is_held() or held() < limit then
  take()
  return {1, standing()}
end
if redis.call('ZCOUNT', key, '(' .. text(last), '+inf') > 0 then
  mend()
  redis.call('PEXPIRE', key, life(hold))
end
return {0, standing()}
