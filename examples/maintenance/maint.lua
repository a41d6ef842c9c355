-- Maintenance for everybody but the operators. The flag is a variable, so a shell, a cron job or
-- a monitor turns it on and off; this script only says what it means.

local operators = tide.cidr_set { "127.0.0.2/32", "10.0.0.0/8" }

function is_maint(txn)
	return vars.maint > 0 and not operators:contains(txn.src)
end

test("off: everybody gets the application", function(t)
	t.vars.maint = 0
	assert(not is_maint(t.txn { src = "192.0.2.7" }))
end)

test("on: users wait, operators get through", function(t)
	t.vars.maint = 1
	assert(is_maint(t.txn { src = "192.0.2.7" }))
	assert(not is_maint(t.txn { src = "10.1.2.3" }))
end)
