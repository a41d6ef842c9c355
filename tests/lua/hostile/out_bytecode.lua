-- Bytecode, which no verifier checks.
-- expect: runtime
function hostile(txn)
	return load('\27Lua\x54\x00\x19\x93')()
end
