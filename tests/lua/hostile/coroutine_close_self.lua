-- A coroutine that closes itself.
-- expect: runtime running
function hostile(txn)
	local c = coroutine.create(function()
		coroutine.close((coroutine.running()))
	end)
	local ok, why = coroutine.resume(c)
	error(why, 0)
end
