-- os.time reads a field that loops.
-- expect: budget
function hostile(txn)
	return os.time(setmetatable({}, {__index = function()
		while true do
		end
	end}))
end
