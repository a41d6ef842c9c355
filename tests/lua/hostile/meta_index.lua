-- A loop inside __index.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__index = function()
		while true do
		end
	end})
	return t.x
end
