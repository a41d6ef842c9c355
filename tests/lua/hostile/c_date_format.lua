-- A date of a hundred thousand conversions.
-- expect: runtime longer than
function hostile(txn)
	return #os.date(('%c'):rep(100000))
end
