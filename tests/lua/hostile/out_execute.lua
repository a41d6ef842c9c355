-- A command of the machine.
-- expect: runtime execute
function hostile(txn)
	return os.execute('id')
end
