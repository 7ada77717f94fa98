-- The parameters are the limit and the microseconds of a window. A state is the number of a window and the tokens spent in it.
rules.fixed = {}

function rules.fixed.read(key, parameters)
  local state = {limit = parameters[1], window = parameters[2], count = 0}
  state.number = math.floor(now / state.window)
  local number, count = load(key, '^(-?%d+) (%d+)$')
  if number and number >= state.number then
    -- A window that has yet to begin, after a step back: at its beginning, but no more than a window ahead.
    state.mended = number > state.number + 1
    state.number, state.count = math.min(number, state.number + 1), math.min(count, 2 * state.limit)
  end
  state.ends = (state.number + 1) * state.window
  return state
end

function rules.fixed.spend(state, tokens)
  state.count = clamp(state.count + tokens, 0, 2 * state.limit)
end

function rules.fixed.write(key, state)
  if state.count == 0 then
    redis.call('DEL', key)
  else
    store(key, state.ends - now, '%.0f %.0f', state.number, state.count)
  end
end

function rules.fixed.standing(state, cost)
  local wait = state.ends - now
  local retry, reset = 0, 0
  if cost > state.limit then
    retry = -1
  elseif state.count + cost > state.limit then
    retry = wait
  end
  if state.count > 0 then
    reset = wait
  end
  return math.max(state.limit - state.count, 0), retry, reset
end
