-- Weights that sum to nothing.
-- expect: runtime weights
function hostile(txn)
	return tide.pick({a = -1})
end
