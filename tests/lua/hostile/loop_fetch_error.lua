-- Asks the proxy for what it refuses, without end.
-- expect: budget
function hostile(txn)
	while true do
		pcall(function() return txn.f:slow() end)
	end
end
