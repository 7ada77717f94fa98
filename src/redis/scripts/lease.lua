-- Leases of one key. ARGV[2] is what is done, then come the five parameters of `leased`.
local parameters, numbers = {}, {}
for number = 1, 5 do
  parameters[number] = tonumber(ARGV[2 + number])
end
for number = 8, #ARGV do
  numbers[number - 7] = tonumber(ARGV[number])
end
local state = rules.leased.read(KEYS[1], parameters)
local generation = math.floor(state.at / state.life)

-- So many tokens of a generation are no longer held, if so many are counted.
local function settle(of, tokens)
  local age = generation - of + 1
  local settled = math.min(tokens, state.leased[age] or 0)
  if settled > 0 then
    state.leased[age] = state.leased[age] - settled
  end
  return settled
end

if ARGV[2] == 'return' then
  local of, unspent, spent = unpack(numbers)
  state.level = state.level + settle(of, unspent) * state.token
  settle(of, spent)
  rules.leased.write(KEYS[1], state)
  return {1}
elseif ARGV[2] == 'reset' then
  rules.leased.spend(state, -2 * state.limit)
  rules.leased.write(KEYS[1], state)
  return {1}
end

-- Demand is counted in this part of the rate, and shares of it are rounded down to that part.
local WHOLE, SHARE = 16777216, 1048576
-- Sums of demand stop here: exact.
local MOST = 4503599627370496
local need, want, demand, since_last, last_generation, of, spent, of_other, spent_other, rounding, pause = unpack(numbers)

local settled = settle(of, spent) + settle(of_other, spent_other)
local is_new = last_generation ~= generation
if is_new then
  state.demand[1] = math.min(state.demand[1] + demand, MOST)
  state.nodes[1] = state.nodes[1] + 1
end
local all = math.max(state.demand[1], state.demand[2], demand)

local function left()
  return math.floor(math.max(state.level, 0) / state.token)
end

-- What comes back in so many microseconds. A product beyond 2^53 is not exact, but then beyond the full level too.
local function refilled_in(micros)
  return math.min(math.floor(micros / state.unit) * state.refill, state.full)
end

-- This node's part of an amount, with no number above 2^53 on the way.
local function share(amount)
  local shares = math.floor(demand * SHARE / all)
  return math.floor(amount / SHARE) * shares + math.floor(amount % SHARE * shares / SHARE)
end

local function granted()
  local most = math.min(want, left())
  if most < need then
    return 0
  elseif all <= WHOLE then
    return most
  end
  local level = math.max(state.level, 0)
  local pool = math.min(refilled_in(math.floor(state.life / 2)), math.floor(state.full / 4))
  local due = math.min(math.max(level - pool, 0) + share(refilled_in(since_last)), level)
  local tokens = math.floor(due / state.token)
  -- Rounded up as often as the fraction says.
  if rounding < due % state.token then
    tokens = tokens + 1
  end
  tokens = math.min(tokens, most)
  if tokens >= need then
    return tokens
  elseif rounding * need < due then
    return need
  end
  return 0
end

local tokens = granted()
state.level = state.level - tokens * state.token
state.leased[1] = state.leased[1] + tokens
local retry = 0
if tokens < want then
  local needed = 1
  if tokens == 0 then
    needed = clamp(need, 1, math.max(state.limit, 1))
  end
  retry = tokens_after(state, needed)
  if all > WHOLE then
    retry = math.max(retry, pause)
  end
end
-- A denial is written once for each node and generation, for what it says of the demand.
if is_new or settled > 0 or tokens > 0 or state.mended then
  rules.leased.write(KEYS[1], state)
end
return {tokens, generation, retry, all, math.max(state.nodes[1], state.nodes[2]), left()}
