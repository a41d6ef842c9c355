-- A loop inside __call.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__call = function()
		while true do
		end
	end})
	return t()
end
