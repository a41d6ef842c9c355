-- SPDX-License-Identifier: MIT
-- HAProxy's Lua dialect: `core`, `act`, `Map`, and the classes that its functions are given. Loaded
-- into a state when a script first looks at one of these names. `host` is what C offers
-- (src/policy/lua_core.c); a request is `_n`, the engine's native txn object, which stands for
-- whichever request is being served, and only for as long.
local host = ...
local op = host.op
local error, ipairs, pairs, setmetatable, tostring, type = error, ipairs, pairs, setmetatable, tostring, type
local concat, unpack = table.concat, table.unpack

-- ---- act --------------------------------------------------------------------------------------

act = {
	CONTINUE = 0, STOP = 1, YIELD = 2, ERROR = 3, DONE = 4, DENY = 5, ABORT = 6, INVALID = 7,
	wake_time = function() error("act.wake_time: return after core.msleep instead", 2) end,
}

-- ---- log --------------------------------------------------------------------------------------

core = { thread = host.thread }
local levels = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" }
for i, name in ipairs(levels) do core[name] = i - 1 end

function core.log(level, text) host.log(level, tostring(text)) end
local function at_level(level) return function(text) host.log(level, tostring(text)) end end
core.Debug, core.Info = at_level(core.debug), at_level(core.info)
core.Warning, core.Alert = at_level(core.warning), at_level(core.alert)

-- Object's own: obj:Info(text). deflog goes where the rest goes.
local function add_log(class)
	function class:log(level, text) host.log(level, tostring(text)) end
	function class:deflog(text) host.log(core.info, tostring(text)) end
	for _, name in ipairs { "Debug", "Info", "Warning", "Alert" } do
		local log = core[name]
		class[name] = function(_, text) log(text) end
	end
end

-- ---- variables, private data ------------------------------------------------------------------

local set_var, unset_var, keep = op("set_var"), op("unset_var"), op("keep")
local privs = host.privs

local function add_vars(class)
	function class:get_var(name) return self._n:get_var(name) end
	function class:set_var(name, value, ifexist)
		if value == nil then return unset_var(self._n, name) end
		return set_var(self._n, name, value, ifexist and true or false)
	end
	function class:unset_var(name) return unset_var(self._n, name) end
	function class:get_priv() return privs[keep(self._n)] end
	function class:set_priv(value) privs[keep(self._n)] = value end
end

-- ---- HTTP -------------------------------------------------------------------------------------

local HTTP = {}
HTTP.__index = HTTP

-- "name: value\r\n" lines as HAProxy has them: by lower-case name, arrays that begin with 0.
local function headers_of(text)
	local all = {}
	for name, value in text:gmatch("([^\r\n:]+):[ \t]*([^\r\n]*)\r?\n") do
		name = name:lower()
		local list = all[name]
		if list == nil then
			all[name] = { [0] = value }
		else
			list[#list + 1] = value
		end
	end
	return all
end

local req_headers, res_headers = op("req_headers"), op("res_headers")
function HTTP:req_get_headers() return headers_of(req_headers(self._n)) end
function HTTP:res_get_headers() return headers_of(res_headers(self._n)) end
for _, name in ipairs {
	"req_add_header", "req_set_header", "req_del_header", "req_rep_header", "req_rep_value",
	"res_add_header", "res_set_header", "res_del_header", "res_rep_header", "res_rep_value",
	"req_set_method", "req_set_path", "req_set_query", "req_set_uri", "res_set_status",
} do
	local edit = op(name)
	HTTP[name] = function(self, ...) return edit(self._n, ...) end
end

-- ---- Reply ------------------------------------------------------------------------------------

local Reply = {}
Reply.__index = Reply

function Reply:set_status(status, reason)
	self.status, self.reason = status, reason
	return true
end

function Reply:add_header(name, value)
	local list = self.headers[name]
	if list == nil then
		list = {}
		self.headers[name] = list
	end
	list[#list + 1] = value
	return true
end

function Reply:del_header(name)
	self.headers[name] = nil
	return true
end

function Reply:set_body(body)
	self.body = body
	return true
end

local function new_reply(from)
	local r = { status = 200, headers = {}, body = "" }
	if from ~= nil then
		r.status, r.reason, r.body = from.status or 200, from.reason, from.body or ""
		for name, values in pairs(from.headers or {}) do
			if type(values) ~= "table" then values = { values } end
			r.headers[name] = { unpack(values) }
		end
	end
	return setmetatable(r, Reply)
end

local reply_begin, reply_header, reply_body = op("reply_begin"), op("reply_header"), op("reply_body")

local function give_reply(n, r)
	reply_begin(n, r.status or 200, r.reason or "")
	for name, values in pairs(r.headers or {}) do
		if type(values) ~= "table" then values = { values } end
		for i = values[0] ~= nil and 0 or 1, #values do
			reply_header(n, name, tostring(values[i]))
		end
	end
	reply_body(n, tostring(r.body or ""))
end

-- ---- Channel ----------------------------------------------------------------------------------

-- What stands in a connection's buffer while rules on content judge it, mode tcp. It is read; who wants to take
-- bytes or to answer is a service.
local Channel = {}
Channel.__index = Channel
local is_http, channel_state = op("is_http"), op("channel_state")

local function bytes_of(c)
	if is_http(c._n) then
		error("Cannot manipulate HAProxy channels in HTTP mode: txn.http and txn.f:req_body() are for it", 3)
	end
	local f = c._n.f
	return (c._resp and f:res_payload(0, 0) or not c._resp and f:req_payload(0, 0)) or ""
end

local function slice(bytes, offset, length)
	offset = offset or 0
	if offset < 0 then offset = math.max(#bytes + offset, 0) end
	if offset > #bytes then error("offset out of range.", 3) end
	if length ~= nil and length < -1 then error("length out of range.", 3) end
	if length == nil or length == -1 then length = #bytes end
	return bytes:sub(offset + 1, offset + length)
end

function Channel:is_resp() return self._resp end
function Channel:input() return #bytes_of(self) end
function Channel:output() return 0 end
function Channel:may_recv() return channel_state(self._n, self._resp) & 1 ~= 0 end
function Channel:is_full() return channel_state(self._n, self._resp) & 2 ~= 0 end
function Channel:data(offset, length) return slice(bytes_of(self), offset, length) end
function Channel:line(offset, length)
	local piece = slice(bytes_of(self), offset, length)
	return piece:match("^[^\n]*\n") or piece
end
function Channel:dup() return bytes_of(self) end
Channel.get_in_len, Channel.get_out_len = Channel.input, Channel.output
for _, name in ipairs { "append", "forward", "get", "getline", "insert", "prepend", "remove", "send", "set" } do
	Channel[name] = function()
		error("Channel." .. name .. " is not there: channels are read. `tcp-request content use-service` " ..
			"gives a script the connection", 2)
	end
end

-- ---- TXN --------------------------------------------------------------------------------------

local TXN = { logs = {} }

-- Mode tcp has no answers: there the connection ends.
function TXN:done(reply)
	if reply ~= nil and self.http ~= nil then
		give_reply(self._n, reply)
		host.done(act.DONE)
	end
	host.done(act.ABORT)
end

function TXN:reply(from)
	if self.http == nil then error("txn:reply: mode tcp has no request to be answered", 2) end
	return new_reply(from)
end
function TXN:set_loglevel(level) return op("set_log_level")(self._n, level) end
function TXN:set_mark() end
function TXN:set_tos() end
function TXN:set_priority_class(n) return op("set_priority_class")(self._n, n) end
function TXN:set_priority_offset(ms) return op("set_priority_offset")(self._n, ms) end
add_log(TXN)
add_vars(TXN)

-- f, sf, c and sc are the native ones; what is asked for is kept.
local parts = {
	f = true, sf = true, c = true, sc = true,
	req = function(t) return setmetatable({ _n = t._n, _resp = false }, Channel) end,
	res = function(t) return setmetatable({ _n = t._n, _resp = true }, Channel) end,
	http = function(t) return is_http(t._n) and setmetatable({ _n = t._n }, HTTP) or nil end,
}
local TXN_mt = {
	__index = function(t, key)
		local method = TXN[key]
		if method ~= nil then return method end
		local make = parts[key]
		if make == nil then return nil end
		local part = make == true and t._n[key] or make(t)
		t[key] = part
		return part
	end,
}

local function new_txn(n) return setmetatable({ _n = n }, TXN_mt) end

-- ---- core: registering ------------------------------------------------------------------------

local places = {
	["http-req"] = 1, ["http-res"] = 2, ["http-after-res"] = 4, ["tcp-req"] = 8, ["tcp-res"] = 16,
}

local function check_function(what, fn)
	if type(fn) ~= "function" then
		error("core." .. what .. ": a function is expected, got a " .. type(fn), 3)
	end
end

-- Returning nothing is no sample; returning nil is a sample, and false.
local function sample(...)
	local value = ...
	if value == nil and select("#", ...) > 0 then return false end
	return value
end

function core.register_fetches(name, fn)
	check_function("register_fetches", fn)
	host.register("fetch", name, 0, -1, function(n, ...) return sample(fn(new_txn(n), ...)) end)
end

function core.register_converters(name, fn)
	check_function("register_converters", fn)
	host.register("converter", name, 0, -1, function(_, ...) return sample(fn(...)) end)
end

function core.register_action(name, where, fn, n_args)
	local bits = 0
	check_function("register_action", fn)
	if type(where) ~= "table" then error("core.register_action: a list of names is expected", 2) end
	for _, place in ipairs(where) do
		if not places[place] then
			error("core.register_action: '" .. tostring(place) .. "' is none of 'tcp-req', " ..
				"'tcp-res', 'http-req', 'http-res' and 'http-after-res'", 2)
		end
		bits = bits | places[place]
	end
	host.register("action", name, bits, n_args or 0, function(n, ...) return fn(new_txn(n), ...) end)
end

function core.register_init(fn)
	check_function("register_init", fn)
	host.init(fn)
end

function core.register_task(fn, ...)
	check_function("register_task", fn)
	host.task(fn, ...)
end

-- ---- core: time -------------------------------------------------------------------------------

function core.now()
	local sec, usec = host.now()
	return { sec = sec, usec = usec }
end

local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local month_number = {}
for i, name in ipairs(months) do month_number[name] = i end

-- The day's number: H. Hinnant, "chrono-compatible low-level date algorithms".
local function seconds(y, month, d, h, mi, s)
	local mo = month_number[month]
	if mo == nil then return nil end
	if mo <= 2 then y = y - 1 end
	local era = y // 400
	local yoe = y - era * 400
	local doy = (153 * (mo > 2 and mo - 3 or mo + 9) + 2) // 5 + d - 1
	local day = era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
	return day * 86400 + h * 3600 + mi * 60 + s
end

-- From text to seconds since 1970; nil for what is no date.
local function date_reader(pattern, order)
	return function(text)
		local found = { text:match(pattern) }
		if #found == 0 then return nil end
		local f = {}
		for i, key in ipairs(order) do
			f[key] = tonumber(found[i]) or found[i]
		end
		if f.y < 100 then f.y = f.y + (f.y < 70 and 2000 or 1900) end
		return seconds(f.y, f.month, f.d, f.h, f.mi, f.s)
	end
end

core.imf_date = date_reader("^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$",
	{ "d", "month", "y", "h", "mi", "s" })
core.rfc850_date = date_reader("^%a+, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$",
	{ "d", "month", "y", "h", "mi", "s" })
core.asctime_date = date_reader("^%a%a%a (%a%a%a) +(%d+) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$",
	{ "month", "d", "h", "mi", "s", "y" })
function core.http_date(text)
	return core.imf_date(text) or core.rfc850_date(text) or core.asctime_date(text)
end

-- ---- core: waiting ----------------------------------------------------------------------------

function core.sleep(s) return host.wait(s * 1000) end
function core.msleep(ms) return host.wait(ms) end
function core.yield() return host.wait(0) end
function core.done() return host.done(act.CONTINUE) end
function core.set_nice() end

-- ---- core: texts and addresses ----------------------------------------------------------------

function core.tokenize(text, separators, noblank)
	local found, from = {}, 1
	local set = "[" .. separators:gsub("[%^%]%-%%]", "%%%0") .. "]"
	while true do
		local at = text:find(set, from)
		local piece = text:sub(from, at and at - 1 or -1)
		if piece ~= "" or not noblank then found[#found + 1] = piece end
		if at == nil then return found end
		from = at + 1
	end
end

local Concat = {}
Concat.__index = Concat

function Concat:add(text)
	self[#self + 1] = tostring(text)
end

function Concat:dump()
	local all = concat(self)
	for i = #self, 2, -1 do self[i] = nil end
	self[1] = all
	return all
end

function core.concat() return setmetatable({}, Concat) end

local Addr = {}
Addr.__index = Addr
Addr.__tostring = function(a) return a.text end

-- "10.0.0.0/8", "::1"; an IPv4 mask may be dotted.
function core.parse_addr(text)
	if type(text) ~= "string" then return nil end
	local ip, mask = text:match("^([^/]+)/?(.*)$")
	local a = ip and host.ip(ip)
	if a == nil then return nil end
	local most = a:family() == 4 and 32 or 128
	local bits = mask == "" and most or tonumber(mask)
	if bits == nil then bits = host.mask_bits(mask) end
	if bits == nil or bits < 0 or bits > most then return nil end
	return setmetatable({ text = text, ip = a, bits = bits }, Addr)
end

-- True when one holds the other, or they are one.
function core.match_addr(a, b)
	if type(a) == "string" then a = core.parse_addr(a) end
	if type(b) == "string" then b = core.parse_addr(b) end
	if a == nil or b == nil or a.ip:family() ~= b.ip:family() then return false end
	local wide = a.bits < b.bits and a or b
	local other = wide == a and b or a
	return other.ip:within(tostring(wide.ip) .. "/" .. wide.bits)
end

-- ---- core: the process ------------------------------------------------------------------------

local function fields_of(text)
	local all = {}
	for name, value in text:gmatch("([^:\n]+): ?([^\n]*)\n") do
		all[name] = tonumber(value) or value
	end
	return all
end

local info, proc_var = op("info"), op("get_var")
function core.get_info() return fields_of(info()) end
function core.get_var(name) return proc_var(name) end
for _, name in ipairs { "set_map", "del_map", "add_acl", "del_acl" } do
	core[name] = function(...) return op(name)(...) end
end
for _, name in ipairs { "httpclient", "register_filter", "event_sub", "queue" } do
	core[name] = function()
		error("core." .. name .. " is not there; doc/lua-dialect.md lists what is", 2)
	end
end

-- A server is read here. What changes one runs on the keeper: every and on_change.
local Server = {}
Server.__index = Server
function Server:get_name() return self.name end
function Server:get_weight() return self._s.weight end
function Server:get_addr() return self._s.address end
function Server:get_cur_sess() return self._s.sessions end
function Server:get_proxy() return core.proxies[self._backend] end
function Server:is_draining() return self._s.state == "drain" and 1 or 0 end
for _, name in ipairs { "set_weight", "set_addr", "set_drain", "set_maint", "set_ready", "set_maxconn", "shut_sess" } do
	Server[name] = function()
		error("Server:" .. name .. ": servers are changed by functions given to every or on_change (doc/guide.md)", 2)
	end
end

local Proxy = {}
local function servers_of(p)
	local all = {}
	if p.cap ~= "frontend" then
		for name, s in pairs(backends[p.name].servers) do
			all[name] = setmetatable({ name = name, _s = s, _backend = p.name }, Server)
		end
	end
	p.servers = all
	return all
end
function Proxy:__index(key)
	if key == "servers" then return servers_of(self) end
	if key == "listeners" then error("Proxy.listeners is not there; doc/lua-dialect.md lists what is", 2) end
	return Proxy[key]
end
function Proxy:get_name() return self.name end
function Proxy:get_uuid() return self.uuid end
function Proxy:get_cap() return self.cap end
function Proxy:get_mode() return self.mode end
function Proxy:get_srv_act() return backends[self.name].up_servers end
function Proxy:get_stats() return fields_of(op("proxy_stats")(self.name)) end

local listed = false
local function list_proxies()
	if listed then return end
	listed = true
	local all, front, back = {}, {}, {}
	for line in op("proxies")():gmatch("([^\n]+)\n") do
		local name, cap, mode, id = line:match("^(%S+) (%S+) (%S+) (%d+)$")
		local p = setmetatable({ name = name, cap = cap, mode = mode, uuid = tonumber(id) }, Proxy)
		all[name] = p
		if cap ~= "backend" then front[name] = p end
		if cap ~= "frontend" then back[name] = p end
	end
	core.proxies, core.frontends, core.backends = all, front, back
end
setmetatable(core, {
	__index = function(t, key)
		if key ~= "proxies" and key ~= "frontends" and key ~= "backends" then return nil end
		list_proxies()
		return rawget(t, key)
	end,
})

-- ---- Map --------------------------------------------------------------------------------------

Map = { _int = "int", _ip = "ip", _str = "str", _beg = "beg", _sub = "sub", _dir = "dir",
	_dom = "dom", _end = "end", _reg = "reg", _bin = "bin", _len = "len",
	_found = "found", _bool = "bool", _regm = "regm" } -- no maps of the last three
for _, name in ipairs { "int", "ip", "str", "beg", "sub", "dir", "dom", "end", "reg" } do
	Map[name] = name
end
local Map_mt = { __index = {} }
local map_open, map_lookup = op("map_open"), op("map_lookup")

function Map.new(file, method)
	return setmetatable({ _map = map_open(file, method or Map._str) }, Map_mt)
end

function Map_mt.__index:lookup(key) return map_lookup(self._map, key) end
function Map_mt.__index:slookup(key) return map_lookup(self._map, key) or "" end

-- ---- Patref ------------------------------------------------------------------------------------

-- Changes of a map's or a list's entries travel to the thread that owns them. What `prepare` begins is
-- collected here and travels as a whole.
local Patref = {}
Patref.__index = Patref
local patref_is_map, patref_add, patref_set = op("patref_is_map"), op("patref_add"), op("patref_set")
local patref_put, patref_del, patref_fill = op("set_map"), op("del_map"), op("patref_fill")

function core.get_patref(name)
	return setmetatable({ _name = name, _map = patref_is_map(name) }, Patref)
end

local function sent(ok)
	if ok then return true end
	return nil, "too many changes are on their way"
end

-- The key and value as texts; nil and why.
local function entry(self, key, value, valued)
	key, value = tostring(key), value ~= nil and tostring(value) or ""
	if self._map and valued and value == "" then return nil, "a map's entry needs a value" end
	if key == "" or (key .. value):find("\0", 1, true) then return nil, "no key, or a NUL in it" end
	return key, value
end

-- Of what is prepared: the entries of that key.
local function each(list, key, fn)
	local met = false
	for i = #list, 1, -1 do
		if list[i][1] == key then
			met = true
			fn(list, i)
		end
	end
	if met then return true end
	return nil, "no entry '" .. key .. "'"
end

function Patref:get_name() return self._name end
function Patref:is_map() return self._map end
function Patref:prepare() self._next = {} end
function Patref:giveup() self._next = nil end

function Patref:purge()
	if self._next ~= nil then self._next = {} else patref_fill(self._name, "") end
end

function Patref:commit()
	local list, parts = self._next, {}
	if list == nil then return nil, "nothing is prepared" end
	self._next = nil
	for i, e in ipairs(list) do parts[i] = e[1] .. "\0" .. e[2] .. "\0" end
	return sent(patref_fill(self._name, table.concat(parts)))
end

function Patref:add(key, value)
	local why
	key, why = entry(self, key, value, true)
	if key == nil then return nil, why end
	if self._next == nil then return sent(patref_add(self._name, key, why)) end
	self._next[#self._next + 1] = { key, why }
	return true
end

function Patref:add_bulk(all)
	for k, v in pairs(all) do
		local ok, why
		if self._map then ok, why = self:add(k, v) else ok, why = self:add(v) end
		if not ok then return nil, why end
	end
	return true
end

function Patref:set(key, value, force)
	local text
	key, text = entry(self, key, value, true)
	if key == nil then return nil, text end
	if not self._map then return nil, "not a map" end
	if self._next == nil then return sent((force and patref_put or patref_set)(self._name, key, text)) end
	local ok, why = each(self._next, key, function(list, i) list[i][2] = text end)
	if not ok and force then return self:add(key, text) end
	return ok, why
end

function Patref:del(key)
	local why
	key, why = entry(self, key)
	if key == nil then return nil, why end
	if self._next == nil then return sent(patref_del(self._name, key)) end
	return each(self._next, key, table.remove)
end

-- ---- services ---------------------------------------------------------------------------------

local AppletHTTP = {}
local request_body = op("request_body")
add_log(AppletHTTP)
add_vars(AppletHTTP)

function AppletHTTP:set_status(status, reason)
	self._reply.status, self._reply.reason = status, reason
end

function AppletHTTP:add_header(name, value)
	self._reply:add_header(name, tostring(value))
end

function AppletHTTP:start_response() self._started = true end

function AppletHTTP:send(text)
	if not self._started then error("AppletHTTP.send: call start_response first", 2) end
	text = tostring(text)
	self._out:add(text)
	return #text
end

local function body_left(a)
	if a._body == nil then
		a._body, a._at = request_body(a._n) or "", 1
	end
	return a._body, a._at
end

function AppletHTTP:receive(size)
	local body, at = body_left(self)
	local piece = size and size >= 0 and body:sub(at, at + size - 1) or body:sub(at)
	self._at = at + #piece
	return piece
end

function AppletHTTP:getline()
	local body, at = body_left(self)
	local line = body:match("^[^\n]*\n?", at)
	self._at = at + #line
	return line
end

local lazy_fields = {
	headers = function(a) return headers_of(req_headers(a._n)) end,
	method = function(a) return a._n.f:method() end,
	version = function(a) return "HTTP/" .. (a._n.f:req_ver() or "1.1") end,
	path = function(a) return a._n.f:path() end,
	qs = function(a) return a._n.f:query() or "" end,
	length = function(a) return #body_left(a) end,
	f = function(a) return a._n.f end,
	sf = function(a) return a._n.sf end,
	c = function(a) return a._n.c end,
	sc = function(a) return a._n.sc end,
	http = function(a) return setmetatable({ _n = a._n }, HTTP) end,
}
local AppletHTTP_mt = {
	__index = function(a, key)
		local method = AppletHTTP[key]
		if method ~= nil then return method end
		local make = lazy_fields[key]
		if make == nil then return nil end
		local value = make(a)
		a[key] = value
		return value
	end,
}

-- The transport's own fields are the proxy's: the body is whole when it is sent.
local framing = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

local function serve(fn, n, ...)
	local a = setmetatable({ _n = n, _reply = new_reply(), _out = core.concat() }, AppletHTTP_mt)
	fn(a, ...)
	if not a._started then error("the service ended without start_response", 0) end
	for name in pairs(a._reply.headers) do
		if framing[name:lower()] then a._reply.headers[name] = nil end
	end
	a._reply.body = a._out:dump()
	give_reply(n, a._reply)
end

-- Bytes come and go through the connection's own buffers: what is not there yet, or finds no room, is
-- waited for.
local AppletTCP, PIECE = {}, 16384 -- LUA_PIECE_BYTES
local tcp_take, tcp_line, tcp_send, tcp_await = op("tcp_take"), op("tcp_line"), op("tcp_send"), op("tcp_await")
add_log(AppletTCP)
add_vars(AppletTCP)

local function wait_for_event(a)
	tcp_await(a._n)
	host.wait(86400000)
end

local function take(a, most)
	local piece = tcp_take(a._n, most)
	while piece == nil do
		wait_for_event(a)
		piece = tcp_take(a._n, most)
	end
	return piece
end

function AppletTCP:getline()
	local line = tcp_line(self._n)
	while line == nil do
		wait_for_event(self)
		line = tcp_line(self._n)
	end
	return line
end

-- That many bytes, or without a number all until the client's end; fewer at its end.
function AppletTCP:receive(size)
	local parts, left = core.concat(), size ~= nil and size >= 0 and size or math.maxinteger
	while left > 0 do
		local piece = take(self, left)
		if piece == "" then break end
		parts:add(piece)
		left = left - #piece
	end
	return parts:dump()
end

function AppletTCP:try_receive() return tcp_take(self._n, PIECE) or "" end

function AppletTCP:send(text)
	text = tostring(text)
	for at = 1, #text, PIECE do
		local piece = text:sub(at, at + PIECE - 1)
		while not tcp_send(self._n, piece) do wait_for_event(self) end
	end
	return #text
end

local AppletTCP_mt = {
	__index = function(a, key)
		if key == "f" or key == "sf" or key == "c" or key == "sc" then return a._n[key] end
		return AppletTCP[key]
	end,
}

local function serve_connection(fn, n, ...) return fn(setmetatable({ _n = n }, AppletTCP_mt), ...) end

function core.register_service(name, mode, fn)
	check_function("register_service", fn)
	if mode ~= "http" and mode ~= "tcp" then
		error("core.register_service: the mode is 'http' or 'tcp'", 2)
	end
	local how = mode == "http" and serve or serve_connection
	host.register("service", name, mode == "http" and 1 or 8, -1, function(n, ...) return how(fn, n, ...) end)
end

-- ---- sockets ----------------------------------------------------------------------------------

-- C has the connection; what came and was not asked for yet is `_rest` from `_at` on (short lines are not to copy it
-- over and over). `_ms` is the longest wait. A socket that nothing refers to any more is closed when there are many.
local Socket = {}
local opened, n_opened, most_opened = {}, 0, 16
local alive = setmetatable({}, { __mode = "v" })
Socket.__index = Socket
local sock_close, sock_await = op("socket_close"), op("socket_await")
local sock_take, sock_send, sock_name = op("socket_take"), op("socket_send"), op("socket_name")

function Socket:close()
	sock_close(self._id)
	if opened[self._id] then n_opened = n_opened - 1 end
	self._closed, self._rest, self._at, opened[self._id] = true, "", 1, nil
end

local function close_forgotten()
	host.collect()
	local n = 0
	for id in pairs(opened) do
		if alive[id] then
			n = n + 1
		else
			sock_close(id)
			opened[id] = nil
		end
	end
	n_opened, most_opened = n, math.max(16, 2 * n)
end

function core.tcp()
	if n_opened >= most_opened then close_forgotten() end
	local s = setmetatable({ _id = op("socket_new")(), _ms = 60000, _connect_ms = 5000, _rest = "", _at = 1 }, Socket)
	opened[s._id], alive[s._id], n_opened = true, s, n_opened + 1
	return s
end

-- What `ask` answers once it is there.
local function when_there(s, ms, ask, ...)
	local answer = ask(s._id, ...)
	while answer == nil do
		if not sock_await(s._id, ms) then host.wait(86400000) end
		answer = ask(s._id, ...)
	end
	return answer
end

function Socket:connect(address, port)
	op("socket_connect")(self._id, tostring(address), tonumber(port) or 0)
	if when_there(self, self._connect_ms, op("socket_connected")) then return 1 end
	return nil, "Can't connect"
end

function Socket:connect_ssl()
	error("socket:connect_ssl: TLS is not spoken here; connect to a program on this host that speaks it", 2)
end

function Socket:send(data, from, to)
	data = tostring(data):sub(from or 1, to or -1)
	if self._closed then return -1 end
	for at = 1, #data, PIECE do
		if not when_there(self, self._ms, sock_send, data:sub(at, at + PIECE - 1)) then return -1 end
	end
	if not when_there(self, self._ms, op("socket_sent")) then return -1 end
	return #data
end

-- The bytes that came, and where the first stands that was not given yet; behind them all at the end.
local function piece_of(s)
	if s._at > #s._rest and not s._closed then
		s._rest, s._at = "", 1
		s._rest = when_there(s, s._ms, sock_take)
	end
	return s._rest, s._at
end

-- "*l": a line without its end; "*a": all until the peer's end; a number: so many bytes. At the end what there
-- is, behind `prefix`; without anything nil and why.
function Socket:receive(wanted, prefix)
	local line, left = wanted == nil or wanted == "*l", math.maxinteger
	if not line and wanted ~= "*a" then
		left = math.tointeger(tonumber(wanted))
		if left == nil or left < 0 then
			error("socket:receive: '*l', '*a' or a number of bytes is expected", 2)
		end
	end
	local parts = core.concat()
	if prefix ~= nil then parts:add(prefix) end
	while left > 0 do
		local piece, from = piece_of(self)
		if from > #piece then
			local all = parts:dump()
			if all ~= "" then return all end
			return nil, "connection closed."
		end
		local at = line and piece:find("\n", from, true)
		local n = (at or #piece) - from + 1
		if not line then n = math.min(left, n) end
		self._at = from + n
		parts:add(piece:sub(from, from + n - 1))
		if at then return (parts:dump():gsub("\r?\n$", "")) end
		if not line then left = left - n end
	end
	return parts:dump()
end

function Socket:settimeout(s)
	s = tonumber(s)
	if s == nil or s < 0 or s > 2147483 then error("socket:settimeout: 0 to 2147483 s", 2) end
	self._ms = math.max(math.floor(s * 1000), 1)
	self._connect_ms = self._ms
	return 1
end

function Socket:getpeername() return sock_name(self._id, false) end
function Socket:getsockname() return sock_name(self._id, true) end

-- ---- commands ---------------------------------------------------------------------------------

local Command = {}
Command.__index = Command
add_log(Command)
function Command:send(text)
	text = tostring(text)
	host.answer(text)
	return #text
end
function Command:receive() return "" end
function Command:getline() return "" end
Command.try_receive = Command.receive
function Command:get_var(name) return core.get_var(name) end

function core.register_cli(path, usage, fn)
	check_function("register_cli", fn)
	if type(path) ~= "table" then error("core.register_cli: a list of names is expected", 2) end
	host.register("command", concat(path, " "), 0, -1, function(_, ...)
		return fn(setmetatable({}, Command), ...)
	end)
	host.usage(concat(path, " "), tostring(usage or ""))
end
