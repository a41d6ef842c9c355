-- The same with a handler that swallows the error.
-- expect: budget
function hostile(txn)
	while true do
		xpcall(function()
			while true do
			end
		end, function() end)
	end
end
