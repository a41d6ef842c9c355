-- A table nested beyond the walk that freezes.
-- expect: none
t = {}
local at = t
for i = 1, 2000 do at.x = {} at = at.x end
function hostile() return t.x ~= nil end
