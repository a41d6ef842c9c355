-- Sorts by a comparator that contradicts itself, without end.
-- expect: budget
function hostile(txn)
	local t = {}
	for i = 1, 300 do
		t[i] = i % 7
	end
	while true do
		pcall(table.sort, t, function() return true end)
	end
end
