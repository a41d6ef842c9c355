-- A counter in a closure.
-- expect: refused
local function counter()
	local n = 0
	return function() n = n + 1 return n end
end
hostile = counter()
