-- A source nested beyond the compiler.
-- expect: runtime
function hostile(txn)
	return load('return ' .. ('('):rep(100000))()
end
