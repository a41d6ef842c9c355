-- The metatable of a frozen table.
-- expect: runtime protected
list = {1}
function hostile()
	setmetatable(list, nil)
end
