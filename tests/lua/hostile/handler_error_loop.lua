-- The same without end.
-- expect: budget
function hostile(txn)
	while true do
		xpcall(error, error)
	end
end
