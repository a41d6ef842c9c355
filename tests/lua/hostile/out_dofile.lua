-- A script of another folder.
-- expect: runtime dofile
function hostile(txn)
	return dofile('/etc/passwd')
end
