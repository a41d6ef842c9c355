-- Sends traffic to the second backend while the first is busy. The load is a variable that any
-- monitor writes; when the monitor dies, the figure goes stale and its substitute (50) counts.

function overloaded()
	return vars["load.app1"] > 80
end

test("a busy backend loses its traffic", function(t)
	t.vars["load.app1"] = 81
	assert(overloaded())
	t.vars["load.app1"] = 80
	assert(not overloaded())
end)
