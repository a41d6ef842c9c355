-- A module, long after loading.
-- expect: runtime require
function hostile(txn)
	return require 'io'
end
