-- A script that needs more than it may have.
-- expect: refused
local t = {}
for i = 1, 1e9 do t[i] = i end
function hostile() return t end
