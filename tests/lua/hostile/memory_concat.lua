-- A string that doubles.
-- expect: costly
function hostile(txn)
	local s = 'x'
	while true do
		s = s .. s
	end
end
