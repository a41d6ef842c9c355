-- An endless loop from text.
-- expect: budget
function hostile(txn)
	return load('while true do end')()
end
