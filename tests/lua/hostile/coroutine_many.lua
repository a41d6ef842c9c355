-- A coroutine after the other, each endless.
-- expect: budget
function hostile(txn)
	while true do
		coroutine.resume(coroutine.create(function()
			while true do
			end
		end))
	end
end
