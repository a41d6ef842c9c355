-- A plain search that compares half a megabyte at each place.
-- expect: costly
function hostile(txn)
	return ('a'):rep(1 << 20):find(('a'):rep(1 << 19) .. 'b', 1, true)
end
