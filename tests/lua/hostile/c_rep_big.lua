-- A string of 256 MiB.
-- expect: memory
function hostile(txn)
	return ('x'):rep(1 << 28)
end
