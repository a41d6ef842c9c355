-- Ten million values on the stack.
-- expect: runtime too many results
function hostile(txn)
	return select('#', table.unpack({}, 1, 1e7))
end
