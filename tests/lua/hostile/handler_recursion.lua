-- A message handler that calls itself.
-- expect: costly
function hostile(txn)
	local function h()
		xpcall(error, h)
		return h()
	end
	xpcall(error, h)
end
