-- A function with an environment of its own.
-- expect: none
function hostile(txn)
	local _ENV = {}
	local f = function() return io end
	return f() == nil and 'contained' or 'escaped'
end
