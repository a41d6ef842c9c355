-- A pattern with nested repetition.
-- expect: stopped
function hostile(txn)
	return ('a'):rep(60000):find(('a*'):rep(40) .. 'b')
end
