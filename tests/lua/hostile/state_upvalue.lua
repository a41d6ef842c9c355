-- A counter in a local of the script.
-- expect: refused
local n = 0
function hostile()
	n = n + 1
	return n
end
