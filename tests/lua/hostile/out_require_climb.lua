-- A module outside the folder.
-- expect: refused
local x = require '../passwd'
function hostile() return x end
