-- The metatable of all strings.
-- expect: runtime
function hostile(txn)
	getmetatable('').__index = nil
end
