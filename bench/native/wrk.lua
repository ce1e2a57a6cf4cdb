-- What wrk sends, and what it tells. Usage: wrk ... -s wrk.lua URL -- DEPTH.

-- DEPTH requests go together, as one block. wrk.lua, which is part of wrk, takes what wrk.format returns for the
-- one request that is sent again and again, and wrk counts the requests in it.
function init(arguments)
  local one = wrk.format()
  local block = one:rep(tonumber(arguments[1]))
  wrk.format = function() return block end
end

-- Exact figures at the end of a run, since wrk rounds its own: requests, duration in microseconds, errors, median
-- latency and its 99th percentile in microseconds.
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format("figures: %d %d %d %d %d\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
