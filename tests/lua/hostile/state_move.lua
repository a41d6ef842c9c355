-- A frozen table by table.move.
-- expect: runtime frozen
list = {1}
function hostile()
	table.move({7}, 1, 1, 1, list)
end
