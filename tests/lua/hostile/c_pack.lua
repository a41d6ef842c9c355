-- A packed integer that is too wide.
-- expect: runtime out of limits
function hostile(txn)
	return string.pack('i99', 1)
end
