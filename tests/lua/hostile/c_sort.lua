-- Sorts without end.
-- expect: costly
function hostile(txn)
	local t = {}
	for i = 1, 5000 do
		t[i] = i % 7
	end
	while true do
		table.sort(t)
	end
end
