-- A frozen table by table.sort.
-- expect: runtime frozen
list = {3, 2, 1}
function hostile()
	table.sort(list)
end
