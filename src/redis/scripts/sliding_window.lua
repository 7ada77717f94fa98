-- The parameters are the limit, the microseconds of a window, and the microseconds of a unit, in which the weight of the previous
-- window falls. A state is the number of a window, the tokens spent in it, and those spent in the one before.
rules.sliding = {}

function rules.sliding.read(key, parameters)
  local state = {limit = parameters[1], window = parameters[2], unit = parameters[3]}
  state.units = state.window / state.unit
  state.number = math.floor(now / state.window)
  state.elapsed = math.floor((now - state.number * state.window) / state.unit)
  state.count, state.previous = 0, 0
  local number, count, previous = load(key, '^(-?%d+) (%d+) (%d+)$')
  if not number then
    return state
  end
  -- The limit may have been higher.
  count, previous = math.min(count, 2 * state.limit), math.min(previous, 2 * state.limit)
  if number > state.number then
    -- A window that has yet to begin, after a step back: at its beginning, but no more than a window ahead.
    state.mended = number > state.number + 1
    state.number, state.elapsed = state.number + 1, 0
    state.count, state.previous = count, previous
  elseif number == state.number then
    state.count, state.previous = count, previous
  elseif number == state.number - 1 then
    state.previous = count
  end
  return state
end

function rules.sliding.spend(state, tokens)
  local count = state.count + tokens
  if count < 0 then
    state.previous = math.max(state.previous + count, 0)
  end
  state.count = clamp(count, 0, 2 * state.limit)
end

-- Microseconds until so many units of the window have passed.
local function passed(state, units)
  return state.number * state.window + units * state.unit - now
end

-- Microseconds until nothing counts any more.
local function over(state)
  if state.count > 0 then
    return passed(state, 2 * state.units)
  elseif state.previous > 0 then
    return passed(state, state.units)
  end
  return 0
end

function rules.sliding.write(key, state)
  if state.count == 0 and state.previous == 0 then
    redis.call('DEL', key)
  else
    store(key, over(state), '%.0f %.0f %.0f', state.number, state.count, state.previous)
  end
end

-- Microseconds until a cost fits that is not above the limit.
local function fits(state, cost, room)
  local excess = cost * state.units - room
  local beside = state.count + cost - state.limit
  if excess <= 0 then
    return 0
  elseif beside <= 0 then
    -- In this window, as the weight of the previous one falls.
    return passed(state, state.elapsed + math.ceil(excess / state.previous))
  end
  -- In the next one, as the weight of this one falls.
  return passed(state, state.units + math.ceil(beside * state.units / state.count))
end

function rules.sliding.standing(state, cost)
  local weight = state.previous * (state.units - state.elapsed) + state.count * state.units
  local room = state.limit * state.units - weight
  local retry = -1
  if cost <= state.limit then
    retry = fits(state, cost, room)
  end
  return math.max(math.floor(room / state.units), 0), retry, over(state)
end
