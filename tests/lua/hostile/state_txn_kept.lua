-- A request kept in a table beyond its call.
-- expect: runtime frozen
local kept = {}
function hostile(txn)
	kept[1] = txn
	return kept[1].path
end
