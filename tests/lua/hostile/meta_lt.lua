-- A loop inside __lt.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__lt = function()
		while true do
		end
	end})
	return t < t
end
