-- Maintenance for everybody but the operators: tidegate-lua(7). The flag is a variable that
-- `tidectl maint on` holds; this says what it means. After a change: tidectl reload maint

local operators = tide.cidr_set { "10.0.0.0/8" }

function is_maint(txn)
	return vars.maint > 0 and not operators:contains(txn.src)
end

test("off: everybody gets through", function(t)
	t.vars.maint = 0
	assert(not is_maint(t.txn { src = "192.0.2.7" }))
end)

test("on: users wait, operators get through", function(t)
	t.vars.maint = 1
	assert(is_maint(t.txn { src = "192.0.2.7" }))
	assert(not is_maint(t.txn { src = "10.1.2.3" }))
end)
