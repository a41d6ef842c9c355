-- A table without end.
-- expect: costly
function hostile(txn)
	local t = {}
	for i = 1, 1e9 do
		t[i] = i
	end
end
