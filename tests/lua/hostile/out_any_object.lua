-- From any object by its metatable to the libraries.
-- expect: none
function hostile(txn)
	local function reach(v)
		local meta = getmetatable(v)
		if type(meta) == 'table' then return meta end
	end
	for _, v in pairs({txn, txn.src, txn.headers, txn.cookies, txn.f, txn.c, vars, backends, tide,
			_G, string, '', print, coroutine.create(print), tide.ip('::1'),
			tide.cidr_set {'10.0.0.0/8'}}) do
		if reach(v) then return 'escaped' end
	end
	return 'contained'
end
