-- A loop inside __len.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__len = function()
		while true do
		end
	end})
	return #t
end
