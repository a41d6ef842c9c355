-- An endless loop.
-- expect: budget
function hostile(txn)
	while true do
	end
end
