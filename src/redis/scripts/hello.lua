-- The nodes that are there: a sorted set by when they are gone. ARGV[2] is for how many microseconds, ARGV[3] the node.
local key = KEYS[1]
redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
redis.call('ZADD', key, text(now + ARGV[3]), ARGV[4])
local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', key, life(math.max(tonumber(last[2]) - now, 0)))
return {redis.call('ZCARD', key)}
