-- Asks the proxy without end.
-- expect: budget
function hostile(txn)
	while true do
		local x = txn.path
	end
end
