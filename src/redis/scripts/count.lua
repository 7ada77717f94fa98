-- What is done with subjects, by ARGV[2]; for each its key, and in ARGV its rule, the tokens, and five parameters.
local subjects = {}
local admitted = 1
for place, key in ipairs(KEYS) do
  local first = 3 + (place - 1) * 7
  local parameters = {}
  for number = 1, 5 do
    parameters[number] = tonumber(ARGV[first + 1 + number])
  end
  local rule, tokens = rules[ARGV[first]], tonumber(ARGV[first + 1])
  local state = rule.read(key, parameters)
  local remaining, retry, reset = rule.standing(state, tokens)
  if retry ~= 0 then
    admitted = 0
  end
  subjects[place] = {key = key, rule = rule, tokens = tokens, state = state, standing = {remaining, retry, reset}}
end

local function spend(subject, tokens)
  subject.rule.spend(subject.state, tokens)
  subject.rule.write(subject.key, subject.state)
end

local first = subjects[1]
if ARGV[2] == 'peek' then
  return first.standing
elseif ARGV[2] == 'charge' then
  spend(first, first.tokens)
  return {first.rule.standing(first.state, 1)}
elseif ARGV[2] == 'refund' then
  spend(first, -first.tokens)
  return {1}
end

local reply = {admitted}
for _, subject in ipairs(subjects) do
  local standing = subject.standing
  if admitted == 1 and subject.tokens > 0 then
    spend(subject, subject.tokens)
    standing = {subject.rule.standing(subject.state, subject.tokens)}
  elseif subject.state.mended then
    -- Even if it is refused: otherwise the wait that it is told would begin anew with every check.
    subject.rule.write(subject.key, subject.state)
  end
  for number = 1, 3 do
    reply[#reply + 1] = standing[number]
  end
end
return reply
