-- The same by name.
-- expect: costly
function hostile(txn)
	local t = {}
	for i = 1, 1e9 do
		t['k' .. i] = i
	end
end
