-- A finalizer would run outside any call.
-- expect: runtime __gc
function hostile(txn)
	setmetatable({}, {__gc = function()
		while true do
		end
	end})
end
