-- The parameters are the limit, the parts of a token, the parts that come back every unit, and the microseconds of a unit. A state is
-- the level in parts, below zero in debt, and the unit in which it was so.
rules.bucket = {}

function rules.bucket.read(key, parameters)
  local state = {limit = parameters[1], token = parameters[2], refill = parameters[3], unit = parameters[4]}
  state.full = state.limit * state.token
  state.level = state.full
  state.at = math.floor(now / state.unit)
  local level, at = load(key, '^(-?%d+) (-?%d+)$')
  if level then
    -- A product beyond 2^53 is not exact, but then beyond the clamp too.
    local since = level + (state.at - at) * state.refill
    state.level = clamp(since, -state.full, state.full)
    state.mended = since < -state.full
  end
  return state
end

function rules.bucket.spend(state, tokens)
  tokens = clamp(tokens, -2 * state.limit, 2 * state.limit)
  state.level = clamp(state.level - tokens * state.token, -state.full, state.full)
end

-- Microseconds until so many parts have come back.
local function refilled(state, parts)
  if parts <= 0 then
    return 0
  end
  return (state.at + math.ceil(parts / state.refill)) * state.unit - now
end

function rules.bucket.write(key, state)
  if state.level == state.full then
    redis.call('DEL', key)
  else
    store(key, refilled(state, state.full - state.level), '%.0f %.0f', state.level, state.at)
  end
end

function rules.bucket.standing(state, cost)
  local retry = -1
  if cost <= state.limit then
    retry = refilled(state, cost * state.token - state.level)
  end
  return math.max(math.floor(state.level / state.token), 0), retry, refilled(state, state.full - state.level)
end
