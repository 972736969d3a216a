-- Script for wrk: send GET requests, or POST a new post each time; print the figures as JSON.
local number = 0

function init(arguments)
  run = arguments[1]
end

if os.getenv("BENCH_METHOD") == "POST" then
  function request()
    number = number + 1
    local body = string.format('{"title":"T","body":"B","slug":"load-%s-%d"}', run, number)
    return wrk.format("POST", nil, nil, body)
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
