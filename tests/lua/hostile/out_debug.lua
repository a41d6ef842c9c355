-- The registry.
-- expect: runtime debug
function hostile(txn)
	return debug.getregistry()
end
