-- Repeats nothing, 10^18 times.
-- expect: stopped
function hostile(txn)
	return (''):rep(1000000000000000000)
end
