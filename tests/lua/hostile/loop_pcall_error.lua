-- Errors without end, each caught.
-- expect: budget
function hostile(txn)
	while true do
		pcall(error)
	end
end
