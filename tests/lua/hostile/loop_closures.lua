-- Garbage without end: the collector has as much to do as the script.
-- expect: budget
function hostile(txn)
	while true do
		local f = function() return txn end
	end
end
