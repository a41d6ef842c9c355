-- Floods the log by its other door.
-- expect: budget
function hostile(txn)
	while true do
		tide.log(('x'):rep(1000))
	end
end
