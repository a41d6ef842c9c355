-- A loop that ends in three hundred years.
-- expect: budget
function hostile(txn)
	for i = 1, math.maxinteger do
	end
end
