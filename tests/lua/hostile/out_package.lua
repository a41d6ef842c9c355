-- Another way to io.
-- expect: runtime package
function hostile(txn)
	return package.loaded.io
end
