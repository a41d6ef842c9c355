-- A finalizer put into a metatable that is in use.
-- expect: none
function hostile(txn)
	local meta = {}
	local x = setmetatable({}, meta)
	meta.__gc = function()
		while true do
		end
	end
	return 'contained'
end
