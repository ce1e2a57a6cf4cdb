-- Prints exact figures at the end of a run of wrk, which rounds its own: requests, duration in microseconds,
-- errors, median latency and its 99th percentile in microseconds.
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format("figures: %d %d %d %d %d\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
