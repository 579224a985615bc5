-- The next names of keys: ARGV[1] where to go on (0: from the beginning), ARGV[2] what they look like. Of the node that
-- is asked, not of a shard. Answers where to go on, and the names.
--PACKED--
return packed(redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000))
