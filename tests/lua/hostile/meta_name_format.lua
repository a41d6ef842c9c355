-- A loop inside __tostring.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__tostring = function()
		while true do
		end
	end})
	return ('%s'):format(t)
end
