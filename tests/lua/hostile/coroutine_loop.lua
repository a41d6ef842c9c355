-- An endless loop in a coroutine.
-- expect: budget
function hostile(txn)
	coroutine.wrap(function()
		while true do
		end
	end)()
end
