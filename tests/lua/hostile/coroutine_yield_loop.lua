-- Into a coroutine and out of it without end.
-- expect: budget
function hostile(txn)
	local c = coroutine.wrap(function()
		while true do
			coroutine.yield()
		end
	end)
	while true do
		c()
	end
end
