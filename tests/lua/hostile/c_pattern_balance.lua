-- A pattern of balance that tries each of 100,000 beginnings.
-- expect: stopped
function hostile(txn)
	return ('('):rep(100000):find('%b()')
end
