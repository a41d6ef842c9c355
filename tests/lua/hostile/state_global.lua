-- A counter in a global.
-- expect: runtime frozen
function hostile(txn)
	state = (state or 0) + 1
end
