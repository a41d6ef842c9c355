-- Counts four million characters, without end.
-- expect: costly
function hostile(txn)
	local s = ('x'):rep(1 << 21)
	while true do
		local n = utf8.len(s)
	end
end
