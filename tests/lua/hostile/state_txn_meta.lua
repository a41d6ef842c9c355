-- The metatable of requests.
-- expect: runtime
function hostile(txn)
	getmetatable(txn).__index = nil
end
