-- A number of 400 digits after the other.
-- expect: budget
function hostile(txn)
	while true do
		local s = ('%99.99f'):format(1e308)
	end
end
