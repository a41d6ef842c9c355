-- An endless loop that catches what would end it.
-- expect: budget
function hostile(txn)
	while true do
		pcall(function()
			while true do
			end
		end)
	end
end
