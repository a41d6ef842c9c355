-- What HAProxy's manual promises to scripts, used as scripts do; run by HAProxy and tidegate alike
-- (tests/scenario/P100_lua_dialect), whose answers must be the same.
local greeting = "hello"
local words = require("words")
local map = Map.new("@DIR@/prefix.map", Map._beg)
local from_init, from_task = "no init", "no task"

core.register_init(function() from_init = "init" end)
core.register_task(function()
	core.msleep(5)
	from_task = "task"
end)

-- ---- fetches and converters

core.register_fetches("text", function(txn, a, b)
	return greeting .. "," .. tostring(a) .. "," .. tostring(b)
end)
core.register_fetches("number", function() return 42 end)
core.register_fetches("yes", function() return true end)
core.register_fetches("no", function() return false end)
core.register_fetches("nothing", function() end)
core.register_fetches("a_nil", function() return nil end)
core.register_fetches("fails", function() error("on purpose") end)
core.register_fetches("request", function(txn)
	return txn.f:method() .. " " .. txn.f:path() .. " " .. txn.sf:req_hdr("x-absent") .. "|" ..
		txn.sf:req_hdr_cnt("x-a") .. "|" .. tostring(txn.f:req_hdr("x-absent")) .. "|" ..
		txn.f:url_param("q")
end)
core.register_fetches("convert", function(txn)
	return txn.c:upper("abc") .. txn.sc:field("a,b,c", 2, ",") .. txn.sc:crc32("x")
end)
core.register_fetches("headers", function(txn)
	local found = {}
	for name, values in pairs(txn.http:req_get_headers()) do
		if name:sub(1, 2) == "x-" then
			for i = 0, #values do found[#found + 1] = name .. "=" .. values[i] end
		end
	end
	table.sort(found)
	return table.concat(found, ";")
end)
core.register_fetches("vars", function(txn)
	local before = txn:get_var("txn.new")
	txn:set_var("txn.new", "set")
	txn:set_var("txn.number", 7)
	local after, number = txn:get_var("txn.new"), txn:get_var("txn.number")
	txn:unset_var("txn.new")
	return tostring(before) .. after .. number .. tostring(txn:get_var("txn.new")) ..
		tostring(txn:get_var("txn.given"))
end)
core.register_fetches("map", function(txn)
	return tostring(map:lookup(txn.f:path())) .. "," .. map:slookup(txn.f:path())
end)
core.register_fetches("began", function() return from_init .. "," .. from_task end)
core.register_fetches("helpers", function()
	local c = core.concat()
	c:add("one") c:add("two")
	local t = core.tokenize("a,b;;c", ",;")
	local u = core.tokenize("a,b;;c", ",;", true)
	local now = core.now()
	return c:dump() .. "|" .. table.concat(t, "-") .. "|" .. table.concat(u, "-") .. "|" ..
		core.http_date("Thu, 01 Jan 1970 00:01:40 GMT") .. "|" ..
		core.rfc850_date("Sunday, 06-Nov-94 08:49:37 GMT") .. "|" ..
		core.asctime_date("Sun Nov  6 08:49:37 1994") .. "|" ..
		core.imf_date("Sun, 06 Nov 1994 08:49:37 GMT") .. "|" ..
		tostring(now.sec > 1600000000 and now.usec >= 0)
end)
core.register_fetches("addresses", function()
	local a, b = core.parse_addr("10.0.0.0/8"), core.parse_addr("10.1.2.3")
	local c, d = core.parse_addr("2001:db8::/32"), core.parse_addr("2001:db8::1")
	return tostring(core.match_addr(a, b)) .. tostring(core.match_addr(b, a)) ..
		tostring(core.match_addr(c, d)) .. tostring(core.match_addr(a, d)) ..
		tostring(core.parse_addr("no address"))
end)
core.register_fetches("proxies", function()
	local names, of_be = {}, {}
	for name, s in pairs(core.backends.be.servers) do
		of_be[#of_be + 1] = name .. "=" .. s.name .. s:get_weight() .. s:is_draining() ..
			s:get_addr():gsub("%d+$", "port")
	end
	for name in pairs(core.backends) do names[#names + 1] = name end
	table.sort(names)
	return table.concat(names, ",") .. "|" .. core.backends.be.name .. "|" ..
		core.backends.be:get_cap() .. "|" .. core.frontends.fe:get_mode() .. "|" ..
		type(core.get_info().Uptime_sec) .. "|" .. table.concat(of_be, ",") ..
		tostring(next(core.frontends.fe.servers))
end)
core.register_converters("reverse", function(text, more) return text:reverse() .. (more or "") end)
core.register_converters("shout", words.shout)
core.register_converters("count", function(text) return #text end)

-- ---- actions

core.register_action("edit", { "http-req" }, function(txn)
	local http = txn.http
	http:req_add_header("x-added", "1")
	http:req_add_header("x-added", "2")
	http:req_set_header("x-set", "only")
	http:req_del_header("x-gone")
	http:req_rep_header("x-rep", "^(.*)-(.*)$", "\\2-\\1")
	http:req_rep_value("x-list", "^b$", "B")
	http:req_set_method("PUT")
	http:req_set_path("/edited")
	http:req_set_query("k=v")
end)
core.register_action("nap", { "http-req", "http-res" }, function(txn, where, ms)
	txn:set_var("txn." .. where, "before")
	core.msleep(tonumber(ms))
	core.yield()
	txn:set_var("txn." .. where, where == "req" and "after " .. txn.f:path() or "after")
	txn:set_priv({ seen = where })
end, 2)
core.register_action("answer", { "http-res" }, function(txn)
	txn.http:res_set_status(203, "Told so")
	txn.http:res_add_header("x-nap", tostring(txn:get_var("txn.req")))
	txn.http:res_set_header("x-priv", (txn:get_priv() or { seen = "nothing" }).seen)
	txn.http:res_del_header("x-drop")
	local n = 0
	for name, values in pairs(txn.http:res_get_headers()) do
		if name:sub(1, 5) == "x-mul" then n = n + #values + 1 end
	end
	txn.http:res_add_header("x-count", tostring(n))
end)
core.register_action("reply", { "http-req" }, function(txn)
	local r = txn:reply { status = 418, reason = "Teapot" }
	r:add_header("x-reply", "a")
	r:add_header("content-type", "text/plain")
	r:set_body("short and stout")
	txn:done(r)
end)
-- HAProxy spoils the text it is given as BACKEND/SERVER, so that it is asked once.
core.register_fetches("farm", function(txn)
	local f, sf = txn.f, txn.sf
	return f:nbsrv("be") .. sf:srv_is_up("be/s") .. f:be_conn("be") ..
		f:be_conn_free("be") .. f:queue("be") .. f:fe_conn("server") ..
		txn.c:nbsrv("be") .. "|" .. tostring(pcall(f.nbsrv, f, "none")):sub(1, 5) ..
		tostring(pcall(f.srv_is_up, f, "be/none")):sub(1, 5) .. tostring(pcall(f.http_auth, f, "none")):sub(1, 5)
end)
core.register_action("deny", { "http-req" }, function() return act.DENY end)
core.register_action("stop", { "http-req" }, function() return act.STOP end)
core.register_action("go_on", { "http-req" }, function() return act.CONTINUE end)
core.register_action("invalid", { "http-req", "http-res" }, function() return act.INVALID end)
core.register_action("finished", { "http-req" }, function() return act.DONE end)
core.register_action("broken", { "http-req" }, function() error("on purpose") end)

-- ---- services, commands

core.register_service("echo", "http", function(applet)
	local first = applet.method == "POST" and applet:getline() or ""
	local rest = applet.method == "POST" and applet:receive() or ""
	applet:set_status(201)
	applet:add_header("content-type", "text/plain")
	applet:add_header("x-where", applet.path .. "?" .. applet.qs)
	core.msleep(5)
	applet:start_response()
	applet:send(applet.headers["x-a"][0] .. "|" .. first .. "|")
	-- Of a chunked body HAProxy's length is what had come when it began.
	applet:send(rest .. "|" .. (applet.headers["content-length"] and applet.length or ""))
end)
core.register_service("broken", "http", function() error("on purpose") end)
core.register_cli({ "say", "it" }, "say it [words]: says them", function(applet, ...)
	core.msleep(5)
	applet:send(table.concat({ ... }, "+") .. "\n")
end)
