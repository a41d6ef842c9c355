-- A string too long after the other, each failure caught.
-- expect: costly
function hostile(txn)
	while true do
		pcall(string.rep, 'x', 1 << 28)
	end
end
