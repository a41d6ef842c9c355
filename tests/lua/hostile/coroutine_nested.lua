-- Coroutines inside coroutines until the C stack is used up, again and again.
-- expect: costly
function hostile(txn)
	local function f()
		coroutine.wrap(f)()
	end
	while true do
		pcall(f)
	end
end
