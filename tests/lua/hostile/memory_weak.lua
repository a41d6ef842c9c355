-- A weak table that is filled faster than it is emptied.
-- expect: costly
function hostile(txn)
	local t = setmetatable({}, {__mode = 'k'})
	while true do
		t[{}] = {}
	end
end
