-- A comparator that yields across the library.
-- expect: runtime yield
function hostile(txn)
	coroutine.wrap(function()
		table.sort({3, 2, 1}, coroutine.yield)
	end)()
end
