-- A counter in a coroutine.
-- expect: refused
local c = coroutine.wrap(function()
	local n = 0
	while true do n = n + 1 coroutine.yield(n) end
end)
function hostile() return c() end
