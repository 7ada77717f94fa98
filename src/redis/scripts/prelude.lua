-- What all scripts begin with. ARGV[1] is a time in microseconds of Unix time, or empty for the server's own.
--
-- All numbers are integers below 2^53, where doubles are exact. A quotient of two of them is never rounded to or across a whole
-- number that it is not, so floor and ceil of it are exact. They become text by '%.0f', since tostring keeps only 14 digits.

-- Read once: time goes on while a script runs.
local now
-- Milliseconds by which states outlive their use: rounding must not cut them short, and a time that is given does not run with
-- the clock by which keys expire.
local spare
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now, spare = time[1] * 1000000 + time[2], 1
else
  now, spare = tonumber(ARGV[1]), 3600000
end

local function clamp(number, least, most)
  return math.max(least, math.min(number, most))
end

local function text(number)
  return string.format('%.0f', number)
end

-- The time to live, in milliseconds, of what is of use for so many microseconds.
local function life(micros)
  return math.ceil(micros / 1000) + spare
end

-- The numbers that were stored by `store`, or nil.
local function load(key, pattern)
  local stored = redis.call('GET', key)
  if not stored then
    return nil
  end
  local numbers = {string.match(stored, pattern)}
  if not numbers[1] then
    error('TOLLGATE what is stored at this key is not a state of this rule: use another prefix, or delete the key')
  end
  for place, number in ipairs(numbers) do
    numbers[place] = tonumber(number)
  end
  return unpack(numbers)
end

local function store(key, micros, format, ...)
  redis.call('SET', key, string.format(format, ...), 'PX', life(micros))
end

-- By name, how a rule counts. `read` gives a key's state now, without writing; it is `mended` if it was from a future that the clock
-- cannot have seen. `spend` takes tokens from it, or gives them back if there are fewer than none, `write` stores it, and `standing`
-- is what is left, how many microseconds until a cost fits (-1 is never), and how many until it is full.
local rules = {}
