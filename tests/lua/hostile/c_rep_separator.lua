-- A string of 2 GiB, most of it separators.
-- expect: memory
function hostile(txn)
	return ('x'):rep(1 << 20, ('y'):rep(2000))
end
