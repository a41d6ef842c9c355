-- Removes from a table that says it is long.
-- expect: stopped
function hostile(txn)
	table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)
end
