-- A loop in a message handler.
-- expect: costly
function hostile(txn)
	xpcall(error, function()
		while true do
		end
	end)
end
