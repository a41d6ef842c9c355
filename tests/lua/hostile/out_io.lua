-- The files of the machine.
-- expect: runtime io
function hostile(txn)
	return io.open('/etc/passwd'):read('a')
end
