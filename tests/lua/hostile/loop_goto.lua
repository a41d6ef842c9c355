-- An endless loop without a loop statement.
-- expect: budget
function hostile(txn)
	::again::
	goto again
end
