-- A script that never ends loading.
-- expect: refused time budget
while true do
end
function hostile() end
