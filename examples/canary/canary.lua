-- A share of the users, not of the requests, gets the new release: a user is a cookie, else an
-- address, and the same user gets the same release. A larger share only adds users to the canary;
-- nobody moves back and forth. The cookie `release` overrides, for testers.

local names = { canary = true, stable = true }

function release(txn)
	local wish = txn.cookies.release
	if names[wish] then
		return wish
	end
	local share = vars.canary_share
	return tide.pick({ canary = share, stable = 100 - share }, txn.cookies.user or tostring(txn.src))
end

-- A canary without a server sends everybody home; an operator opens it again.
local function watch()
	if vars.canary_share > 0 and backends.canary.up_servers == 0 then
		tide.set("canary_share", 0, { reason = "no canary server is up" })
		tide.log("warning", "the canary has no server: its share is 0")
	end
end

every(0.2, watch)

test("the cookie decides, then the share", function(t)
	t.vars.canary_share = 0
	assert(release(t.txn { src = "192.0.2.7" }) == "stable")
	assert(release(t.txn { src = "192.0.2.7", cookies = { release = "canary" } }) == "canary")
	assert(release(t.txn { src = "192.0.2.7", cookies = { release = "x" } }) == "stable")
	t.vars.canary_share = 100
	assert(release(t.txn { src = "192.0.2.7" }) == "canary")
end)

test("a larger share takes nobody off the canary", function(t)
	local on, moved = { [10] = 0, [30] = 0 }, 0
	for i = 1, 500 do
		local user = t.txn { src = "192.0.2.7", cookies = { user = "u" .. i } }
		t.vars.canary_share = 10
		local before = release(user)
		t.vars.canary_share = 30
		local after = release(user)
		on[10] = on[10] + (before == "canary" and 1 or 0)
		on[30] = on[30] + (after == "canary" and 1 or 0)
		moved = moved + (before == "canary" and after ~= "canary" and 1 or 0)
	end
	assert(moved == 0)
	assert(on[10] > 25 and on[10] < 80, on[10])
	assert(on[30] > 110 and on[30] < 190, on[30])
end)

test("an empty canary is closed", function(t)
	t.vars.canary_share = 10
	t.backends.canary = { up_servers = 1 }
	t.run(watch)
	assert(t.vars.canary_share == 10)
	t.backends.canary.up_servers = 0
	t.run(watch)
	assert(t.vars.canary_share == 0)
end)
