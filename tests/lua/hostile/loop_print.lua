-- Floods the log.
-- expect: budget
function hostile(txn)
	while true do
		print(('x'):rep(1000))
	end
end
