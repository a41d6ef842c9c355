-- A message handler that goes on when the budget is used up.
-- expect: stopped
function hostile(txn)
	xpcall(function()
		while true do
		end
	end, function()
		while true do
		end
	end)
end
