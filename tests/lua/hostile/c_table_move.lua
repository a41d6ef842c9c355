-- Moves 2^60 values.
-- expect: stopped
function hostile(txn)
	table.move({}, 1, 1 << 60, 2, {})
end
