-- A table that contains itself, frozen.
-- expect: none
t = {}
t.t = t
function hostile() return t.t.t == t and 'contained' or 'escaped' end
