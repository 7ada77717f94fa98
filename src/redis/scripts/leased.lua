-- The parameters are those of a bucket, and the microseconds of a lease's life, which are also those of a generation. A state is the
-- level in parts, the microsecond up to which it is brought, and for this generation and the one before the tokens leased and not
-- reported, the demand and the number of nodes. In Rust, and why it never gives too much: src/distributed/memory/lease.rs.
rules.leased = {}

local function room(state)
  return math.max(state.limit - state.leased[1] - state.leased[2], 0) * state.token
end

local function refill(state, to)
  local most = room(state)
  local units = math.floor(to / state.unit) - math.floor(state.at / state.unit)
  if units >= math.ceil(math.max(most - state.level, 0) / state.refill) then
    state.level = most
  else
    state.level = state.level + units * state.refill
  end
  state.at = to
end

-- Generation by generation: the level is brought up to every moment before less is leased.
local function advance(state)
  if state.at > now + state.life then
    state.mended = true
    state.at = now
    state.leased = {state.leased[1] + state.leased[2], 0}
  end
  local to = math.max(now, state.at)
  local first, last = math.floor(state.at / state.life), math.floor(to / state.life)
  for generation = first, math.min(last, first + 2) - 1 do
    refill(state, (generation + 1) * state.life)
    state.leased = {0, state.leased[1]}
    state.demand = {0, state.demand[1]}
    state.nodes = {0, state.nodes[1]}
  end
  refill(state, to)
end

function rules.leased.read(key, parameters)
  local state = {
    limit = parameters[1], token = parameters[2], refill = parameters[3], unit = parameters[4], life = parameters[5],
    at = now, leased = {0, 0}, demand = {0, 0}, nodes = {0, 0},
  }
  state.full = state.limit * state.token
  state.level = state.full
  local stored = {load(key, '^(-?%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')}
  if stored[1] then
    state.level, state.at = stored[1], stored[2]
    state.leased, state.demand, state.nodes = {stored[3], stored[4]}, {stored[5], stored[6]}, {stored[7], stored[8]}
    advance(state)
  end
  return state
end

function rules.leased.spend(state, tokens)
  tokens = clamp(tokens, -2 * state.limit, 2 * state.limit)
  state.level = clamp(state.level - tokens * state.token, -state.full, room(state))
end

-- Microseconds until the level is so many tokens, if nothing that is leased is in the way.
local function tokens_after(state, tokens)
  local missing = tokens * state.token - state.level
  if missing <= 0 then
    return 0
  end
  return (math.floor(state.at / state.unit) + math.ceil(missing / state.refill)) * state.unit - state.at
end

local function forgotten_after(state)
  local leased = state.leased[1] + state.leased[2]
  local settled = (math.floor(state.at / state.life) + 2) * state.life - state.at
  return math.max(tokens_after(state, state.limit - leased), settled)
    + math.ceil(leased * state.token / state.refill) * state.unit
end

function rules.leased.write(key, state)
  store(key, state.at - now + forgotten_after(state), '%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', state.level, state.at,
    state.leased[1], state.leased[2], state.demand[1], state.demand[2], state.nodes[1], state.nodes[2])
end

function rules.leased.standing(state, cost)
  local retry, reset = -1, 0
  if cost <= state.limit then
    retry = tokens_after(state, cost)
  end
  if state.level < state.full then
    reset = forgotten_after(state)
  end
  return math.max(math.floor(state.level / state.token), 0), retry, reset
end
