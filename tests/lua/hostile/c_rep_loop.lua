-- A string of a megabyte after the other.
-- expect: costly
function hostile(txn)
	while true do
		local s = ('x'):rep(1 << 20)
	end
end
