-- A predicate that yields to nobody.
-- expect: runtime outside a coroutine
function hostile(txn)
	coroutine.yield(txn)
end
