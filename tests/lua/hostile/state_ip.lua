-- An address changed.
-- expect: runtime
function hostile(txn)
	txn.src.x = 1
end
