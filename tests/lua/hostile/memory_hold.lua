-- Takes all memory, holds it and loops.
-- expect: costly
function hostile(txn)
	local t = {}
	pcall(function()
		while true do
			t[#t + 1] = ('x'):rep(65536) .. #t
		end
	end)
	while true do
	end
end
