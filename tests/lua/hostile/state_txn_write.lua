-- A request changed.
-- expect: runtime do not change
function hostile(txn)
	txn.path = '/admin'
end
