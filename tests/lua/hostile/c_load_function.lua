-- Source that a function makes.
-- expect: runtime string expected
function hostile(txn)
	return load(function()
		while true do
		end
	end)
end
