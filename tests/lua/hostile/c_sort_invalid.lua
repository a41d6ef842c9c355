-- A comparator that contradicts itself.
-- expect: runtime invalid order
function hostile(txn)
	local t = {}
	for i = 1, 300 do
		t[i] = i % 7
	end
	table.sort(t, function() return true end)
end
