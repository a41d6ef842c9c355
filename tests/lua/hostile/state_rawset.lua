-- A frozen table by rawset.
-- expect: runtime rawset
function hostile(txn)
	rawset(_G, 'x', 1)
end
