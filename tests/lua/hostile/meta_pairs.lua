-- A loop inside __pairs.
-- expect: budget
function hostile(txn)
	local t = setmetatable({}, {__pairs = function()
		while true do
		end
	end})
	for _ in pairs(t) do
	end
end
