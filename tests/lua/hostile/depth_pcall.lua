-- Recursion that catches its own overflow, twice at each level.
-- expect: costly
function hostile(txn)
	local function f()
		pcall(f)
		f()
	end
	f()
end
