-- A loop while leaving a block.
-- expect: budget
function hostile(txn)
	local x <close> = setmetatable({}, {__close = function()
		while true do
		end
	end})
end
