-- Joins 2^60 texts that a function makes.
-- expect: budget
function hostile(txn)
	return table.concat(setmetatable({}, {__index = function() return '' end}), '', 1, 1 << 60)
end
