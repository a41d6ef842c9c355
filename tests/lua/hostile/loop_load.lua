-- The compiler in a loop.
-- expect: costly
function hostile(txn)
	while true do
		load(('x = 1 '):rep(2000))
	end
end
