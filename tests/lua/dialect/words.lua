-- A module of dialect.lua, found through lua-prepend-path.
return { shout = function(s) return s:upper() .. "!" end }
