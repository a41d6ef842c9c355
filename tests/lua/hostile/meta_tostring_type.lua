-- A __tostring that gives no string.
-- expect: runtime must return a string
function hostile(txn)
	return tostring(setmetatable({}, {__tostring = function() return {} end}))
end
