-- A library as a module, while loading.
-- expect: refused no modules
local io = require 'io'
function hostile() return io.open('/etc/passwd') end
