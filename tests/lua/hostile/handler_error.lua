-- A message handler that fails, and fails again.
-- expect: none
function hostile(txn)
	local function handler()
		error(setmetatable({}, {__index = handler}))
	end
	return (xpcall(error, handler))
end
