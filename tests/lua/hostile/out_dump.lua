-- Bytecode of a function.
-- expect: runtime dump
function hostile(txn)
	return string.dump(hostile)
end
