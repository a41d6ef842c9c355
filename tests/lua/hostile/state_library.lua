-- A library function replaced.
-- expect: runtime frozen
function hostile(txn)
	string.format = nil
end
