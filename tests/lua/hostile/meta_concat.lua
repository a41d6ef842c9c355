-- A loop inside __concat.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__concat = function()
		while true do
		end
	end})
	return t .. ''
end
