-- One proxy for many customers: the host decides which backend serves, a variable suspends one, and
-- some may try what is new. A new customer is a line in this table and a `tidectl reload`.

local tenants = {
	["acme.example"] = { backend = "acme" },
	["globex.example"] = { backend = "globex", beta = "acme" },
}

-- "www.acme.example", "WWW.Acme.Example" and "shop.acme.example" are acme.example.
local function find(txn)
	local host = txn.host:lower()
	while host do
		if tenants[host] then
			return tenants[host]
		end
		host = host:match("%.(.+)$")
	end
end

-- The backend's name; nil for a host that nobody has.
function tenant(txn)
	local it = find(txn)
	if it and it.beta and txn.cookies.beta == "yes" then
		return it.beta
	end
	return it and it.backend
end

function suspended(txn)
	local it = find(txn)
	return it ~= nil and vars["suspended." .. it.backend]
end

test("the host decides", function(t)
	assert(tenant(t.txn { host = "acme.example" }) == "acme")
	assert(tenant(t.txn { host = "Shop.ACME.example" }) == "acme")
	assert(tenant(t.txn { host = "www.globex.example" }) == "globex")
	assert(tenant(t.txn { host = "globex.example", cookies = { beta = "yes" } }) == "acme")
	assert(tenant(t.txn { host = "acme.example.org" }) == nil)
	assert(tenant(t.txn { host = "notacme.example" }) == nil)
end)

test("one is suspended, the others are not", function(t)
	t.vars["suspended.acme"] = true
	t.vars["suspended.globex"] = false
	assert(suspended(t.txn { host = "www.acme.example" }))
	assert(not suspended(t.txn { host = "globex.example" }))
	assert(not suspended(t.txn { host = "nobody.example" }))
end)
