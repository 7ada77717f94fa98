-- The parameters are the limit and the microseconds of the window. A state is a sorted set with a member for each token, by the time at
-- which it was spent.
rules.log = {}

-- So many tokens at a time. A member is the time and a number that nobody of that time has; digits keep the order of numbers.
local function add(key, at, tokens)
  local first = redis.call('ZCOUNT', key, text(at), text(at))
  -- Lua's stack holds 8 000 values.
  for from = 0, tokens - 1, 1000 do
    local members = {}
    for number = from, math.min(from + 1000, tokens) - 1 do
      members[#members + 1] = text(at)
      members[#members + 1] = string.format('%s:%05d', text(at), first + number)
    end
    redis.call('ZADD', key, unpack(members))
  end
end

function rules.log.read(key, parameters)
  local state = {key = key, limit = parameters[1], window = parameters[2], added = 0}
  -- After a step back nothing counts as more than a window ahead.
  state.last = now + state.window
  state.ahead = redis.call('ZCOUNT', key, '(' .. text(state.last), '+inf')
  state.mended = state.ahead > 0
  state.count = redis.call('ZCOUNT', key, '(' .. text(now - state.window), '+inf')
  return state
end

function rules.log.spend(state, tokens)
  state.added = clamp(tokens, -state.count, math.max(2 * state.limit - state.count, 0))
  state.count = state.count + state.added
end

-- Microseconds until the token does not count any more that is so many from the newest, which is 1.
local function passes(state, place)
  local token = redis.call('ZRANGE', state.key, -place, -place, 'WITHSCORES')
  return math.min(tonumber(token[2]), state.last) + state.window - now
end

function rules.log.write(key, state)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - state.window))
  if state.ahead > 0 then
    redis.call('ZREMRANGEBYSCORE', key, '(' .. text(state.last), '+inf')
    add(key, state.last, state.ahead)
  end
  if state.added > 0 then
    add(key, now, state.added)
  elseif state.added < 0 then
    redis.call('ZREMRANGEBYRANK', key, state.added, -1)
  end
  if state.count > 0 then
    redis.call('PEXPIRE', key, life(passes(state, 1)))
  end
end

function rules.log.standing(state, cost)
  local retry, reset = 0, 0
  local excess = state.count + cost - state.limit
  if cost > state.limit then
    retry = -1
  elseif excess > 0 then
    retry = passes(state, state.count - excess + 1)
  end
  if state.count > 0 then
    reset = passes(state, 1)
  end
  return math.max(state.limit - state.count, 0), retry, reset
end
