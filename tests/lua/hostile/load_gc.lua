-- A finalizer made while loading.
-- expect: refused __gc
x = setmetatable({}, {__gc = function() end})
function hostile() end
