-- The end of the process.
-- expect: runtime exit
function hostile(txn)
	os.exit(1)
end
