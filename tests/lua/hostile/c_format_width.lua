-- A width that overflows.
-- expect: runtime invalid conversion
function hostile(txn)
	return ('%99999d'):format(1)
end
