-- Recursion that uses no stack.
-- expect: budget
function hostile(txn)
	local function f()
		return f()
	end
	return f()
end
