-- The metatable of the globals.
-- expect: runtime protected
function hostile(txn)
	setmetatable(_G, {})
end
