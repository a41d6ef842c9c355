-- The same with lazy repetition.
-- expect: stopped
function hostile(txn)
	return ('a'):rep(30):match(('a-'):rep(30) .. 'b')
end
