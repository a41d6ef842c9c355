-- A loop inside __eq.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__eq = function()
		while true do
		end
	end})
	return t == setmetatable({}, getmetatable(t))
end
