-- Recursion that grows its arguments.
-- expect: costly
function hostile(txn)
	local function f(...)
		return f(1, ...)
	end
	f()
end
