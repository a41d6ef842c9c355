-- A frozen table by table.insert.
-- expect: runtime
list = {1}
function hostile()
	table.insert(list, 2)
end
