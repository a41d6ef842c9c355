-- Bytecode, asked for by name.
-- expect: runtime
function hostile(txn)
	return load('\27Lua', 'x', 'b')()
end
