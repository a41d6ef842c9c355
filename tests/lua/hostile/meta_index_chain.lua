-- A table that is its own __index.
-- expect: runtime loop
function hostile(txn)
	local t = {}
	setmetatable(t, {__index = t})
	return t.x
end
