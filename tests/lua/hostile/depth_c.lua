-- Recursion through a library function.
-- expect: runtime C stack overflow
function hostile(txn)
	local function f()
		return (('x'):gsub('x', f))
	end
	return f()
end
