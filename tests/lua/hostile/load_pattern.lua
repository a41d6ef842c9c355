-- A script whose loading hangs in the library.
-- expect: refused thrown away
local x = ('a'):rep(30):match(('a-'):rep(30) .. 'b')
function hostile() return x end
