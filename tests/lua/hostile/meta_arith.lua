-- A loop inside __add.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__add = function()
		while true do
		end
	end})
	return t + 1
end
