-- Traffic leaves the first backend while it is busy and comes back late. Two figures count, in
-- percent: load.app1, which any monitor writes (when it dies, its figure goes stale and 50 counts),
-- and inflight.app1, which the timer below works out of the requests that app1 has in hand.

local CAPACITY = 20        -- requests at once that app1 serves well
local UP, DOWN = 80, 60    -- leaves from UP, comes back at DOWN

local smooth = tide.ewma { var = "inflight.app1", half_life = 0.5 }
local busy = tide.hysteresis { var = "busy.app1", up = UP, down = DOWN }

local function load()
	return math.max(vars["load.app1"], vars["inflight.app1"])
end

local function judge()
	busy(load())
end

local function measure()
	smooth(100 * backends.app1.sessions / CAPACITY)
	judge()
end

every(0.1, measure)
on_change("load.app1", judge)

-- Beyond the two marks the figure itself decides, at once; between them what busy.app1 remembers.
function overloaded()
	local now = load()
	if now >= UP or now <= DOWN then
		return now >= UP
	end
	return vars["busy.app1"]
end

test("a busy backend loses its traffic and gets it back late", function(t)
	local function at(figure)
		t.vars["load.app1"] = figure
		t.run(judge)
		return overloaded()
	end
	assert(not at(70))
	assert(at(81))
	assert(at(70), "between the marks it stays as it was")
	assert(not at(60))
	assert(not at(79))
end)

test("requests in hand count without a monitor", function(t)
	t.now = 1000
	t.backends.app1 = { sessions = 0 }
	t.run(measure)
	t.backends.app1.sessions = 20
	t.now = 1000.5
	t.run(measure)
	assert(not overloaded() and vars["inflight.app1"] == 50)
	t.now = 1005
	t.run(measure)
	assert(overloaded())
end)
