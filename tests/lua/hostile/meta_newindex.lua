-- A loop inside __newindex.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__newindex = function()
		while true do
		end
	end})
	t.x = 1
end
