-- A coroutine that resumes itself.
-- expect: runtime non-suspended
function hostile(txn)
	local c
	c = coroutine.create(function()
		local _, why = coroutine.resume(c)
		error(why, 0)
	end)
	local _, why = coroutine.resume(c)
	error(why, 0)
end
