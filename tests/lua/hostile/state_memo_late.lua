-- A memo made by a predicate.
-- expect: runtime while the script loads
function hostile(txn)
	tide.memo(function() end)
end
