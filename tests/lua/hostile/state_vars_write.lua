-- A variable written.
-- expect: runtime do not write
function hostile(txn)
	vars.maint = 1
end
