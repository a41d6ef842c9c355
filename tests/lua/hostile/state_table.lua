-- A counter in a table of the script.
-- expect: runtime frozen
kept = {}
function hostile(txn)
	kept.txn = txn
end
