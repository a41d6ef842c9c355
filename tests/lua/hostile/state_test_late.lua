-- A self-test made by a predicate.
-- expect: runtime while the script loads
function hostile(txn)
	test('x', function() end)
end
