-- The parameters are the limit and the ticks between two tokens. A state is the tick at which the key is full again. A key that
-- is full needs no state.
rules.gcra = {}

function rules.gcra.read(key, parameters)
  local limit, interval = parameters[1], parameters[2]
  local tick = (now - 1735689600000000) * 16
  local state = {tick = tick, interval = interval, limit = limit, full = limit * interval, ahead = 0}
  local full_at = load(key, '^(-?%d+)$')
  if full_at then
    local ahead = math.max(full_at - tick, 0)
    -- A whole limit spent, and a whole limit of debt.
    state.ahead = math.min(ahead, 2 * state.full)
    state.mended = ahead > state.ahead
  end
  return state
end

function rules.gcra.spend(state, tokens)
  tokens = clamp(tokens, -2 * state.limit, 2 * state.limit)
  state.ahead = clamp(state.ahead + tokens * state.interval, 0, 2 * state.full)
end

function rules.gcra.write(key, state)
  if state.ahead == 0 then
    redis.call('DEL', key)
  else
    store(key, math.ceil(state.ahead / 16), '%.0f', state.tick + state.ahead)
  end
end

function rules.gcra.standing(state, cost)
  local room = state.full - state.ahead
  local retry = -1
  if cost <= state.limit then
    retry = math.ceil(math.max(cost * state.interval - room, 0) / 16)
  end
  return math.max(math.floor(room / state.interval), 0), retry, math.ceil(state.ahead / 16)
end
