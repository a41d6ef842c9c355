-- Recursion without end.
-- expect: costly
function hostile(txn)
	local function f()
		return 1 + f()
	end
	return f()
end
