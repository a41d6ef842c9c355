-- Maintenance by the clock: while the time of day (UTC) lies in `window`, "02:00-04:30" say, this
-- policy holds `maint`. A window may go over midnight; "" is none. The hold has a time to live up
-- to the window's end, so it ends by itself even if nothing runs that could release it, and whoever
-- else holds `maint` keeps it.

local DAY = 24 * 60 * 60

-- Seconds until the window closes; nil outside.
local function left(window, now)
	local h1, m1, h2, m2 = window:match("^(%d%d):(%d%d)%-(%d%d):(%d%d)$")
	if not h1 then
		return nil
	end
	local from, to = h1 * 3600 + m1 * 60, h2 * 3600 + m2 * 60
	local length, since = (to - from) % DAY, (now - from) % DAY
	return since < length and length - since or nil
end

local function keep()
	local seconds = left(vars.window, tide.now())
	local open = seconds ~= nil
	if open == vars["window.open"] then
		return
	end
	if open then
		tide.hold("maint", { owner = "window", ttl = seconds, reason = "window " .. vars.window })
	else
		tide.release("maint", { owner = "window" })
	end
	vars["window.open"] = open
	tide.log("notice", open and "the maintenance window opens" or "the maintenance window closes")
end

every(1, keep)
on_change("window", keep)

function is_maint()
	return vars.maint > 0
end

test("opens and closes by the clock", function(t)
	local function at(hour, minute)
		t.now = 1700006400 + hour * 3600 + minute * 60 -- 2023-11-15 00:00 UTC and so much
		t.run(keep)
		return is_maint()
	end
	t.vars.window = "02:00-04:30"
	assert(not at(1, 59))
	assert(at(2, 0))
	assert(at(4, 29))
	assert(not at(4, 30))
	t.vars.window = "23:00-01:00"
	assert(at(23, 30))
	assert(at(24, 59))
	assert(not at(25, 0))
	t.vars.window = "nonsense"
	assert(not at(2, 0))
end)
