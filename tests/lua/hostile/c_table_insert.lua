-- Inserts in front of a table that says it is long.
-- expect: stopped
function hostile(txn)
	table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 'x')
end
