-- A substitution in quadratic time.
-- expect: stopped
function hostile(txn)
	return (('a'):rep(40000):gsub('.-b', ''))
end
