-- The collector stopped.
-- expect: runtime collectgarbage
function hostile(txn)
	collectgarbage('stop')
end
