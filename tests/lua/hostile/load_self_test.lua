-- A self-test that loops.
-- expect: refused time budget
function hostile() end
test('loops', function()
	while true do
	end
end)
