-- A class that its objects share.
-- expect: runtime frozen
Class = {}
Class.__index = Class
function hostile()
	local o = setmetatable({}, Class)
	getmetatable(o).__index = nil
end
