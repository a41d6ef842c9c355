-- A loop in a substitution.
-- expect: budget
function hostile(txn)
	return (('a'):gsub('a', function()
		while true do
		end
	end))
end
